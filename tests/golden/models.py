#!/usr/bin/env python
"""Golden forward and backward passes of the model zoo, made with PyTorch 2.15 and torchvision 0.29, fp64 on the CPU.

    python tests/golden/models.py            writes tests/golden/models/*.safetensors
    python tests/golden/models.py --check    makes them again and compares bytes

Weights and images come from a formula that the Rust test evaluates too, to the bit:

    hash(name, i) = splitmix64(fnv1a64(name) + i)                      all modulo 2^64
    u(name, i)    = (hash(name, i) >> 11) / 2^52 - 1                   in [-1, 1)

    convolution   u * sqrt(6 / (out * kernel^2))      the variance of torchvision's initial values
    depthwise     u * sqrt(6 / kernel^2)              so that values keep their size in evaluation too
    linear        u * sqrt(3 / in)
    bn weight     1 + u / 4        all biases         u / 4
    running_mean  u / 4            running_var        1 + u / 2
    images        u * sqrt(3)      targets            rows of (u + 1) / sum

Recorded for each case: `logits` in training mode, the soft cross-entropy `loss` (mean over rows), `grad.<name>` of every
parameter and of `images`, the running statistics after that step as `<name>`, then `eval`: logits in evaluation mode with the
running statistics of the formula. Dropout and stochastic depth are off: p = 0.

Only logits and loss are stored whole. Of any other tensor t with n > 32 elements its 33 numbers are stored: the norm, and the
projections p_k = sum_i s_k(i) t_i, k = 0..31, where s_k(i) is +1 if bit k of hash("sign", i) is set, else -1. For a
difference d of two tensors, E[p_k(d)^2] = |d|^2 over random signs: sqrt(mean_k p_k(d)^2) estimates |d| with a standard
deviation of about 13 %, wherever in the tensor the difference is. Of n <= 32: the norm and the elements.
"""

import argparse
import pathlib
import sys

import numpy as np
import timm
import torch
import torch.nn.functional as F
from safetensors.numpy import load_file, save_file
from torch import nn
from torchvision.models import convnext_tiny, mobilenet_v3_large, mobilenet_v3_small, resnet18, resnet50, swin_t
from torchvision.ops import SqueezeExcitation, StochasticDepth

OUT = pathlib.Path(__file__).parent / "models"
K = 32


def hashes(name, n):
    state = 0xCBF29CE484222325
    for byte in name.encode():
        state = ((state ^ byte) * 0x100000001B3) % 2**64
    with np.errstate(over="ignore"):
        z = np.uint64(state) + np.arange(n, dtype=np.uint64) + np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def u(name, shape):
    n = int(np.prod(shape))
    return ((hashes(name, n) >> np.uint64(11)).astype(np.float64) / 2.0**52 - 1.0).reshape(shape)


def formula(name, shape):
    values = u(name, shape)
    if len(shape) == 4 and shape[1] == 1:
        return values * np.sqrt(6.0 / (shape[2] * shape[3]))
    if len(shape) == 4:
        return values * np.sqrt(6.0 / (shape[0] * shape[2] * shape[3]))
    if len(shape) == 2:
        return values * np.sqrt(3.0 / shape[1])
    if name.endswith("running_var"):
        return 1.0 + values / 2.0
    if name.endswith(("bias", "running_mean")):
        return values / 4.0
    return 1.0 + values / 4.0


def fill(model):
    for name, tensor in list(model.named_parameters()) + list(model.named_buffers()):
        if tensor.is_floating_point():
            tensor.data.copy_(torch.from_numpy(formula(name, tuple(tensor.shape))))


def sketch(tensor):
    t = tensor.detach().numpy().astype(np.float64).ravel()
    norm = np.sqrt(np.sum(t * t))
    if t.size <= K:
        return np.concatenate([[norm], t])
    bits = hashes("sign", t.size)
    total = t.sum()
    # sum of s t = 2 * (sum where the bit is set) - (sum of all)
    rows = [2.0 * t[((bits >> np.uint64(k)) & np.uint64(1)).astype(bool)].sum() - total for k in range(K)]
    return np.array([norm, *rows])


def cifar_stem(model):
    """torchvision's net with the stem that the CIFAR papers give it."""
    model.conv1 = nn.Conv2d(model.conv1.in_channels, 64, 3, 1, 1, bias=False)
    model.maxpool = nn.Identity()
    return model


class HardSigmoid(nn.Module):
    """nn.Hardsigmoid, whose gradient has 1/6 in single precision, in fp64 too, to all digits."""

    def forward(self, x):
        return F.relu6(x + 3.0) / 6.0


def mobilenet(build, classes):
    model = build(num_classes=classes, dropout=0.0)
    for module in model.modules():
        if isinstance(module, SqueezeExcitation):
            module.scale_activation = HardSigmoid()
    return model


class CifarBlock(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.stride, self.padding = stride, (outputs - inputs) // 2

    def forward(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        if self.stride != 1:
            x = F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.padding, self.padding))
        return F.relu(y + x)


class CifarResNet(nn.Module):
    """He et al. 2016, section 4.2, option A: 6 * blocks + 2 layers."""

    def __init__(self, blocks, classes):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        channels = 16
        for i, width in enumerate([16, 32, 64]):
            layers = []
            for j in range(blocks):
                layers.append(CifarBlock(channels, width, 2 if i > 0 and j == 0 else 1))
                channels = width
            setattr(self, f"layer{i + 1}", nn.Sequential(*layers))
        self.fc = nn.Linear(64, classes)

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.fc(x.mean((2, 3)))


def vit(classes, side):
    return timm.create_model("vit_tiny_patch16_224", num_classes=classes, img_size=side)


def undrawn(model):
    """Without stochastic depth."""
    for module in model.modules():
        if isinstance(module, StochasticDepth):
            module.p = 0.0
    return model


# Name of the file: (model, image shape, classes). The last maps are 2 x 2 and more, but for the odd sizes, 5 x 3.
CASES = {
    "resnet18": (lambda c: resnet18(num_classes=c), (4, 3, 64, 64), 7),
    "resnet50": (lambda c: resnet50(num_classes=c), (4, 3, 64, 64), 7),
    "resnet18_odd": (lambda c: resnet18(num_classes=c), (2, 3, 139, 75), 10),
    "resnet18_cifar": (lambda c: cifar_stem(resnet18(num_classes=c)), (2, 3, 32, 32), 10),
    "resnet20": (lambda c: CifarResNet(3, c), (4, 3, 32, 32), 10),
    "mobilenet_v3_large": (lambda c: mobilenet(mobilenet_v3_large, c), (3, 3, 64, 64), 7),
    "mobilenet_v3_small": (lambda c: mobilenet(mobilenet_v3_small, c), (2, 3, 75, 64), 5),
    "vit_tiny_patch16_224": (lambda c: vit(c, 64), (2, 3, 64, 64), 5),
    "swin_t": (lambda c: undrawn(swin_t(num_classes=c)), (2, 3, 56, 64), 5),
    "convnext_tiny": (lambda c: undrawn(convnext_tiny(num_classes=c)), (2, 3, 72, 64), 5),
}


def make(case):
    build, shape, classes = CASES[case]
    model = build(classes).double()
    images = torch.from_numpy(u("images", shape) * np.sqrt(3.0))
    targets = u("targets", (shape[0], classes)) + 1.0
    targets = torch.from_numpy(targets / targets.sum(1, keepdims=True))
    out = {}

    fill(model)
    model.eval()
    with torch.no_grad():
        out["eval"] = model(images).numpy()

    model.train()
    images.requires_grad_()
    logits = model(images)
    loss = -(targets * F.log_softmax(logits, 1)).sum(1).mean()
    loss.backward()
    out["logits"] = logits.detach().numpy()
    out["loss"] = loss.detach().numpy().reshape(1)
    out["grad.images"] = sketch(images.grad)
    for name, tensor in model.named_parameters():
        out["grad." + name] = sketch(tensor.grad)
    for name, tensor in model.named_buffers():
        if tensor.is_floating_point():
            out[name] = sketch(tensor)
    return {name: np.ascontiguousarray(value) for name, value in out.items()}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    OUT.mkdir(exist_ok=True)
    failed = False
    for case in CASES:
        path, made = OUT / f"{case}.safetensors", make(case)
        if not check:
            save_file(made, path)
            print(f"{path.name}: {path.stat().st_size} bytes, loss {made['loss'][0]:.6f}, logits {made['logits'].std():.3f}")
            continue
        again = path.with_suffix(".again")
        save_file(made, again)
        same = again.read_bytes() == path.read_bytes()
        again.unlink()
        old = load_file(path)
        worst = max(float(np.abs(old[n] - v).max() / np.abs(v).max()) for n, v in made.items())
        print(f"{path.name}: {'same bytes' if same else f'DIFFERS, largest relative difference {worst:.1e}'}")
        failed |= not same
    sys.exit(failed)


if __name__ == "__main__":
    main()
