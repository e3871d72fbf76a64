#!/usr/bin/env python
"""Golden sizes of every network of the zoo, and the names of its tensors elsewhere: torchvision 0.29, timm 1.0, PyTorch 2.15.

    python tests/golden/zoo.py            writes tests/golden/models/zoo.json
    python tests/golden/zoo.py --check    makes it again and compares bytes

For each name: `parameters` at 1000 classes (10 for the networks for CIFAR), and `macs` of one image of `input` pixels: half of
what torch.utils.flop_counter counts on the meta device. Where timm has the network, `timm` is its name there, `arguments` what
its constructor is told, `tensors` how many there are, counts of batches included, and `hash` that of all names in pairs: FNV-1a
of the sorted lines "ours theirs\\n". The pairs are those of the two state dicts in order; that they belong together is shown
here: filled with the same numbers, both give the same logits in evaluation, to 1e-4 of their norm in single precision.
"""

import argparse
import json
import pathlib
import sys

import timm
import torch
import torchvision
from models import CIFAR, fill
from torch.utils.flop_counter import FlopCounterMode

OUT = pathlib.Path(__file__).parent / "models" / "zoo.json"

# Ours and torchvision's name: (pixels, timm's name, what its constructor is told).
TORCHVISION = {
    **{
        name: (224, name, {})
        for name in [
            *(f"resnet{depth}" for depth in (18, 34, 50, 101, 152)),
            *("resnext50_32x4d", "resnext101_32x8d", "wide_resnet50_2", "wide_resnet101_2"),
            *(f"vgg{depth}_bn" for depth in (11, 13, 16, 19)),
            *(f"densenet{depth}" for depth in (121, 161, 169, 201)),
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
}
TIMM = ["resnet18d", "resnet34d", "resnet50d", "resnet101d"]


def size(build, side):
    with torch.device("meta"):
        model, image = build().eval(), torch.empty(1, 3, side, side)
        counter = FlopCounterMode(display=False)
        with counter, torch.no_grad():
            model(image)
    parameters = sum(p.numel() for p in model.parameters())
    return {"input": side, "parameters": parameters, "macs": counter.get_total_flops() // 2}


def pairs(ours, theirs):
    """The line of each pair of names, once both networks gave the same logits."""
    fill(ours)
    there = theirs.state_dict()
    lines = []
    for (name, tensor), (other, place) in zip(ours.state_dict().items(), there.items(), strict=True):
        assert tensor.numel() == place.numel(), (name, other)
        place.copy_(tensor.reshape(place.shape))
        lines.append(f"{name} {other}\n")
    image = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        a, b = ours(image).double(), theirs(image).double()
    assert (a - b).norm() <= 1e-4 * a.norm(), (a - b).norm() / a.norm()
    return sorted(lines)


def fnv(text):
    state = 0xCBF29CE484222325
    for byte in text.encode():
        state = ((state ^ byte) * 0x100000001B3) % 2**64
    return state


def peer(ours, name, arguments):
    theirs = timm.create_model(name, **arguments).eval()
    lines = pairs(ours.eval(), theirs)
    return {"timm": name, "arguments": arguments, "tensors": len(lines), "hash": f"{fnv(''.join(lines)):016x}"}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    torch.manual_seed(0)
    made = {name: size(lambda build=build: build(10), 32) for name, build in CIFAR.items()}
    for name, (side, other, arguments) in TORCHVISION.items():
        build = getattr(torchvision.models, name)
        made[name] = {**size(build, side), **peer(build(), other, arguments)}
        print(name, made[name], flush=True)
    for name in TIMM:
        build = lambda name=name: timm.create_model(name)
        made[name] = {**size(build, 224), **peer(build(), name, {})}
    text = json.dumps(made, indent=1) + "\n"
    if check:
        same = OUT.is_file() and OUT.read_text() == text
        print(f"{OUT.name}: {'same bytes' if same else 'DIFFERS'}")
        sys.exit(not same)
    OUT.write_text(text)


if __name__ == "__main__":
    main()
