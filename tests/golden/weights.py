"""PyTorch's files of tensors as `torch.save` writes them, and tensors made to fit as timm does.

    python tests/golden/weights.py            write tests/golden/weights/
    python tests/golden/weights.py --check    make them again and compare

Versions: Python 3, torch 2.15, timm 1.0.31, safetensors 0.8.0. Seed 11.

The same seven tensors are in `zip.pth` (today's format), `stream.pth` (that of before 1.6), `nested.pth` (a training
checkpoint: below `state_dict`, names with `module.`), and by plain names in `expected.safetensors`. Among them: a convolution
in channels_last, a transposed view, a view into a shared storage, a Parameter, half precision, a scalar count. `object.pth`
holds no dictionary, `code.pth` one whose value would run a command if it were unpickled. `views.pth` is a stream as PyTorch
before 0.4 wrote it, where a tensor's storage is a part of another's: `whole` is 2 … 7 of 0 … 19, `part` is 1 … 6 of what begins at 5.
`training.pth` is what a training program keeps: the seven tensors as `model`, and beside them what else pickles have: numbers of
numpy, arguments, a set, bytes, a schedule's Counter, the state of an optimizer, tensors of other types.

`fit.safetensors`: `conv` (4, 3, 3, 3) and adapt_input_conv of it as `conv.1`, `conv.2`, `conv.5`; `positions` (1, 1 + 16, 6) and
resample_abs_pos_embed of it for grids of 2, 3, 7 as `positions.2` …; `distilled` (1, 2 + 9, 5) with two prefix tokens, and
`distilled.4`.
"""

import argparse
import io
import os
import pickle
import struct
import sys
from collections import OrderedDict
from pathlib import Path

import numpy
import torch
from safetensors.torch import save as safetensors
from timm.layers import resample_abs_pos_embed
from timm.models import adapt_input_conv

OUT = Path(__file__).parent / "weights"


def tensors():
    torch.manual_seed(11)
    shared = torch.randn(20)
    return OrderedDict(
        [
            ("conv.weight", torch.randn(2, 3, 2, 2).to(memory_format=torch.channels_last)),
            ("fc.weight", torch.randn(3, 4).t()),
            ("fc.bias", shared[5:9]),
            ("norm.weight", torch.nn.Parameter(shared[9:12])),
            ("norm.half", torch.randn(3).half()),
            ("norm.double", torch.randn(2, 2, dtype=torch.float64)),
            ("norm.num_batches_tracked", torch.tensor(41)),
        ]
    )


class Command:
    def __reduce__(self):
        return os.system, ("touch /tmp/it-ran",)


def saved(value, **options):
    buffer = io.BytesIO()
    torch.save(value, buffer, **options)
    return buffer.getvalue()


class Described:
    """A tensor or a storage, by the arguments that PyTorch makes it of."""

    def __init__(self, *arguments):
        self.arguments = arguments

    def __reduce__(self):
        return torch._utils._rebuild_tensor_v2, (*self.arguments, False, OrderedDict())


class Storages(pickle.Pickler):
    def persistent_id(self, value):
        is_storage = isinstance(value, Described) and len(value.arguments) == 1
        return ("storage", torch.FloatStorage, "7", "cpu", 20, *value.arguments) if is_storage else None


def views():
    """torch.load of it gives what the head of this file says; checked below."""
    out = io.BytesIO()
    sizes = {"short": 2, "int": 4, "long": 4}
    for item in (0x1950A86A20F9469CFC6C, 1001, {"protocol_version": 1001, "little_endian": True, "type_sizes": sizes}):
        pickle.dump(item, out, protocol=2)
    whole = Described(Described(None), 2, (3, 2), (2, 1))
    part = Described(Described(("8", 5, 9)), 1, (2, 3), (3, 1))
    Storages(out, protocol=2).dump(OrderedDict(whole=whole, part=part))
    pickle.dump(["7"], out, protocol=2)
    out.write(struct.pack("<q20f", 20, *range(20)))
    loaded = torch.load(io.BytesIO(out.getvalue()))
    assert loaded["whole"].tolist() == [[2, 3], [4, 5], [6, 7]] and loaded["part"].tolist() == [[6, 7, 8], [9, 10, 11]]
    return out.getvalue()


def training(plain):
    weight = torch.nn.Parameter(torch.ones(2))
    weight.grad = torch.ones(2)
    optimizer = torch.optim.AdamW([weight])
    optimizer.step()
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, [3, 5])
    return {
        "epoch": 3,
        "best": numpy.float64(0.71),
        "curve": numpy.arange(3),
        "arguments": argparse.Namespace(lr=0.1, sizes=[1, 2]),
        "seen": {1, 2},
        "key": b"a\xff",
        "large": -(2**80),
        "type": torch.float16,
        "losses": [float(loss) for loss in range(3)],
        "optimizer": optimizer.state_dict(),
        "schedule": schedule.state_dict(),
        "ema": {"bf16": torch.ones(3).bfloat16(), "bool": torch.tensor([True]), "int": torch.ones(2, dtype=torch.int32)},
        "model": plain,
    }


def files():
    plain = tensors()
    yield "zip.pth", saved(plain)
    yield "stream.pth", saved(plain, _use_new_zipfile_serialization=False)
    wrapped = OrderedDict((f"module.{name}", tensor) for name, tensor in plain.items())
    optimizer = {"state": {0: {"momentum_buffer": torch.ones(2, dtype=torch.float64)}}, "param_groups": [{"lr": 0.1}]}
    yield "nested.pth", saved({"epoch": 3, "optimizer": optimizer, "state_dict": wrapped})
    yield "object.pth", saved([torch.ones(2)])
    yield "code.pth", saved({"state_dict": {"weight": torch.ones(2), "x": Command()}})
    yield "views.pth", views()
    yield "training.pth", saved(training(plain))
    yield "expected.safetensors", safetensors({name: t.detach().clone().contiguous() for name, t in plain.items()})
    torch.manual_seed(12)
    conv, positions, distilled = torch.randn(4, 3, 3, 3), torch.randn(1, 17, 6), torch.randn(1, 11, 5)
    fit = {"conv": conv, "positions": positions, "distilled": distilled}
    for channels in (1, 2, 5):
        fit[f"conv.{channels}"] = adapt_input_conv(channels, conv)
    for side in (2, 3, 7):
        fit[f"positions.{side}"] = resample_abs_pos_embed(positions, [side, side], num_prefix_tokens=1)
    fit["distilled.4"] = resample_abs_pos_embed(distilled, [4, 4], num_prefix_tokens=2)
    yield "fit.safetensors", safetensors({name: tensor.contiguous() for name, tensor in fit.items()})


def same(name, there, made):
    """Bytes, but of the stream, whose storages are named by their addresses: tensors."""
    if name != "stream.pth":
        return there == made
    there, made = (torch.load(io.BytesIO(content)) for content in (there, made))
    return list(there) == list(made) and all(torch.equal(there[key], made[key]) for key in made)


def main():
    check = "--check" in sys.argv[1:]
    OUT.mkdir(exist_ok=True)
    wrong = []
    for name, content in files():
        path = OUT / name
        if check:
            if not path.exists() or not same(name, path.read_bytes(), content):
                wrong.append(name)
        else:
            path.write_bytes(content)
    if wrong:
        sys.exit(f"differ: {', '.join(wrong)}")


if __name__ == "__main__":
    main()
