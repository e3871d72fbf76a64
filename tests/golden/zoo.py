#!/usr/bin/env python
"""Golden sizes of every network of the zoo, and the names of its tensors elsewhere: torchvision 0.29, timm 1.0, PyTorch 2.15.

    python tests/golden/zoo.py            writes tests/golden/models/zoo.json
    python tests/golden/zoo.py --check    makes it again and compares bytes

For each name: `parameters` at 1000 classes (10 for the networks for CIFAR), and `macs` of one image of `input` pixels: half of
what torch.utils.flop_counter counts on the meta device. For each library that has the network, `timm` or `torchvision`: its
`name` there, in timm the `arguments` that its constructor is told, `tensors`, how many there are, counts of batches included, and
`hash` that of all names in pairs: FNV-1a of the sorted lines "ours theirs\\n". Ours are those of one of the two libraries. The pairs
are those of the two state dicts in order, but for what `LATE` says; that they belong together is shown here: filled with the
same numbers, both give the same logits in evaluation, to 1e-4 of their norm in single precision.

Of those of at most `LARGEST` parameters `logits` has the first eight of each of two images of 64 pixels (32 for CIFAR), in
evaluation and fp64: weights and images by the formula of models.py, the weights of the EfficientNets' norms times 0.9.
"""

import argparse
import json
import pathlib
import sys

import numpy as np
import timm
import torch
import torchvision
from models import CIFAR, fill, u
from timm.layers import set_fused_attn
from torch.utils.flop_counter import FlopCounterMode

OUT = pathlib.Path(__file__).parent / "models" / "zoo.json"

# Torchvision's name, whose tensors have our names: (pixels, timm's name, what its constructor is told).
TORCHVISION = {
    **{
        name: (224, name, {})
        for name in [
            *(f"resnet{depth}" for depth in (18, 34, 50, 101, 152)),
            *("resnext50_32x4d", "resnext101_32x8d", "wide_resnet50_2", "wide_resnet101_2"),
            *(f"vgg{depth}_bn" for depth in (11, 13, 16, 19)),
            *(f"densenet{depth}" for depth in (121, 161, 169, 201)),
            *("convnext_tiny", "convnext_small", "convnext_base"),
        ]
    },
    "mobilenet_v2": (224, "mobilenetv2_100", {}),
    "mobilenet_v3_large": (224, "mobilenetv3_large_100", {"bn_eps": 1e-3}),
    "mobilenet_v3_small": (224, "mobilenetv3_small_100", {"bn_eps": 1e-3}),
    "efficientnet_b0": (224, "efficientnet_b0", {}),
    "efficientnet_b1": (240, "efficientnet_b1", {}),
    "efficientnet_b2": (288, "efficientnet_b2", {}),
    "efficientnet_b3": (300, "efficientnet_b3", {}),
    "efficientnet_b4": (380, "efficientnet_b4", {}),
    "efficientnet_v2_s": (384, "efficientnetv2_s", {"bn_eps": 1e-3}),
    "swin_t": (224, "swin_tiny_patch4_window7_224", {}),
    "swin_s": (224, "swin_small_patch4_window7_224", {}),
}
# timm's name, whose tensors have our names: torchvision's name.
TIMM = {
    **{f"resnet{depth}d": None for depth in (18, 34, 50, 101)},
    **{f"{family}_{size}_patch16_224": None for family in ("vit", "deit") for size in ("tiny", "small")},
    "vit_base_patch16_224": "vit_b_16",
    "deit_base_patch16_224": "vit_b_16",
}

LARGEST = 51_000_000

# What stands up to two places later in the other library's list: a merging's linear layer after its norm, positions after the
# embedding of patches.
LATE = (".reduction.", "pos_embed")
# An index that torchvision saves and timm makes.
DERIVED = "relative_position_index"


def size(build, side):
    with torch.device("meta"):
        model, image = build().eval(), torch.empty(1, 3, side, side)
        counter = FlopCounterMode(display=False)
        with counter, torch.no_grad():
            model(image)
    parameters = sum(p.numel() for p in model.parameters())
    return {"input": side, "parameters": parameters, "macs": counter.get_total_flops() // 2}


def logits(name, model, side):
    if sum(p.numel() for p in model.parameters()) > LARGEST:
        return {}
    model = model.double().eval()
    fill(model, 0.9 if name.startswith("efficientnet") else 1.0)
    with torch.no_grad():
        found = model(torch.from_numpy(u("images", (2, 3, side, side)) * np.sqrt(3.0)))
    return {"logits": found[:, :8].tolist()}


def names(model, late=()):
    listed = [name for name in model.state_dict() if not name.endswith(DERIVED)]
    places = {name: i + 2.5 * any(part in name for part in late) for i, name in enumerate(listed)}
    return sorted(listed, key=places.get)


def same(ours, theirs, side):
    """The pairs of names, once both networks gave the same logits."""
    fill(ours)
    here, there = ours.state_dict(), theirs.state_dict()
    found = list(zip(names(ours, LATE), names(theirs), strict=True))
    for name, other in found:
        tensor, place = here[name], there[other]
        assert tensor.numel() == place.numel(), (name, other)
        place.copy_(tensor.reshape(place.shape))
    image = torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        a, b = ours(image).double(), theirs(image).double()
    assert (a - b).norm() <= 1e-4 * a.norm(), (a - b).norm() / a.norm()
    return found


def fnv(text):
    state = 0xCBF29CE484222325
    for byte in text.encode():
        state = ((state ^ byte) * 0x100000001B3) % 2**64
    return state


def peer(name, pairs, **more):
    lines = sorted(f"{ours} {theirs}\n" for ours, theirs in pairs)
    return {"name": name, **more, "tensors": len(lines), "hash": f"{fnv(''.join(lines)):016x}"}


def itself(name, model, **more):
    """The library whose names are ours."""
    return peer(name, [(tensor, tensor) for tensor in names(model)], **more)


def of_torchvision(name, side, other, arguments):
    ours = getattr(torchvision.models, name)().eval()
    theirs = timm.create_model(other, **arguments).eval()
    # Positions and windows are those of the size.
    pairs = same(ours, theirs, side if name.startswith("swin") else 64)
    return {"torchvision": itself(name, ours), "timm": peer(other, pairs, arguments=arguments)}


def of_timm(name, other):
    ours = timm.create_model(name).eval()
    made = {"timm": itself(name, ours, arguments={})}
    if other:
        made["torchvision"] = peer(other, same(ours, getattr(torchvision.models, other)().eval(), 224))
    return made


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    torch.manual_seed(0)
    set_fused_attn(False)  # so that its products are counted
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    made = {}
    for name, build in CIFAR.items():
        made[name] = {**size(lambda build=build: build(10), 32), **logits(name, build(10), 32)}
    for name, (side, other, arguments) in TORCHVISION.items():
        build = getattr(torchvision.models, name)
        made[name] = {**size(build, side), **of_torchvision(name, side, other, arguments), **logits(name, build(), 64)}
        print(name, made[name], flush=True)
    for name, other in TIMM.items():
        small = {"img_size": 64} if "patch" in name else {}
        found = logits(name, timm.create_model(name, **small), 64)
        made[name] = {**size(lambda name=name: timm.create_model(name), 224), **of_timm(name, other), **found}
        print(name, made[name], flush=True)
    text = json.dumps(made, indent=1) + "\n"
    if check:
        same = OUT.is_file() and OUT.read_text() == text
        print(f"{OUT.name}: {'same bytes' if same else 'DIFFERS'}")
        sys.exit(not same)
    OUT.write_text(text)


if __name__ == "__main__":
    main()
