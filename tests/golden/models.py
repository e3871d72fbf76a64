#!/usr/bin/env python
"""Golden forward and backward passes of the model zoo, made with PyTorch 2.15, torchvision 0.29 and timm 1.0, fp64 on the CPU.

    python tests/golden/models.py            writes tests/golden/models/*.safetensors
    python tests/golden/models.py --check    makes them again and compares bytes
    python tests/golden/models.py densenet   only the cases whose names begin so, with or without --check

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
running statistics of the formula. Dropout and stochastic depth draw what the Rust layers draw: ChaCha8 under the key of
seed 0 and the layer's name.

Where torchvision has a network it is torchvision's, ResNet-D is timm's, and the networks for CIFAR are written here from their
papers.

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
from torchvision.models import convnext_tiny, densenet121, efficientnet_b0, efficientnet_v2_s, mobilenet_v2
from torchvision.models import mobilenet_v3_large, mobilenet_v3_small, resnet18, resnet50, resnext50_32x4d, swin_t, vgg11_bn
from torchvision.models.swin_transformer import SwinTransformerBlock
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


def fill(model, gain=1.0):
    for name, tensor in list(model.named_parameters()) + list(model.named_buffers()):
        if tensor.is_floating_point():
            values = formula(name, tuple(tensor.shape))
            weight_of_norm = tensor.dim() == 1 and name.endswith("weight")
            tensor.data.copy_(torch.from_numpy(values * gain if weight_of_norm else values))


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


def chacha8(key, stream, first, blocks):
    """The blocks first, first + 1, ... of a stream: (blocks, 16) words."""
    words = np.zeros((16, blocks), np.uint32)
    words[:4] = np.frombuffer(b"expand 32-byte k", "<u4")[:, None]
    words[4:12] = np.frombuffer(key, "<u4")[:, None]
    counter = np.arange(first, first + blocks, dtype=np.uint64)
    words[12], words[13] = counter & np.uint64(0xFFFFFFFF), counter >> np.uint64(32)
    words[14], words[15] = stream & 0xFFFFFFFF, stream >> 32
    x = words.copy()

    def quarter(a, b, c, d):
        for i, j, k, shift in [(a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)]:
            x[i] += x[j]
            x[k] ^= x[i]
            x[k] = (x[k] << np.uint32(shift)) | (x[k] >> np.uint32(32 - shift))

    for _ in range(4):
        for i in range(4):
            quarter(i, i + 4, i + 8, i + 12)
        for i in range(4):
            quarter(i, (i + 1) % 4 + 4, (i + 2) % 4 + 8, (i + 3) % 4 + 12)
    return np.ascontiguousarray((x + words).T)


def fold(key, purpose, index):
    """The key of tallow_seed's Seed::fold."""
    stream = 0xCBF29CE484222325
    for byte in purpose.encode():
        stream = ((stream ^ byte) * 0x100000001B3) % 2**64
    return chacha8(key, stream, index, 1).tobytes()[:32]


def uniforms(key, n):
    """n numbers in [0, 1) of the Rng of a Seed."""
    words = chacha8(key, 2**64 - 1, 0, -(-n // 8)).reshape(-1, 2).astype(np.uint64)[:n]
    return ((words[:, 0] | words[:, 1] << np.uint64(32)) >> np.uint64(11)).astype(np.float64) / 2.0**53


class Drop(nn.Module):
    """Dropout, or stochastic depth of single rows, by the draws of its names, one for each call of a pass."""

    key = bytes(32)  # of the pass's seed: Seed::new(0)

    def __init__(self, names, p, rows):
        super().__init__()
        self.names, self.p, self.rows, self.calls = names, p, rows, 0

    def forward(self, x):
        if not self.training or self.p == 0.0:
            return x
        name = self.names[self.calls % len(self.names)]
        self.calls += 1
        shape = [len(x)] + [1] * (x.dim() - 1) if self.rows else list(x.shape)
        kept = uniforms(fold(Drop.key, name, 0), int(np.prod(shape))) >= self.p
        return x * torch.from_numpy(kept / (1.0 - self.p)).reshape(shape)


def drawn(model):
    for name, module in list(model.named_modules()):
        if isinstance(module, (nn.Dropout, StochasticDepth)):
            parent, _, child = name.rpartition(".")
            block, rows = model.get_submodule(parent), isinstance(module, StochasticDepth)
            # Swin's blocks call theirs twice.
            twice = rows and isinstance(block, SwinTransformerBlock)
            names = [f"{parent}.attn", f"{parent}.mlp"] if twice else [name]
            setattr(block, child, Drop(names, module.p, rows))
    return model


class HardSigmoid(nn.Module):
    """nn.Hardsigmoid, whose gradient has 1/6 in single precision, in fp64 too, to all digits."""

    def forward(self, x):
        return F.relu6(x + 3.0) / 6.0


def mobilenet(build, classes):
    model = build(num_classes=classes)
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


class PreActBlock(nn.Module):
    """He et al. 2016, arXiv:1603.05027, figure 4e; the shortcut where the shape changes sees the first norm and relu."""

    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.bn1 = nn.BatchNorm2d(inputs)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.downsample = None
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False))

    def forward(self, x):
        a = F.relu(self.bn1(x))
        y = self.conv2(F.relu(self.bn2(self.conv1(a))))
        return y + (x if self.downsample is None else self.downsample(a))


class PreActResNet(nn.Module):
    """PreAct ResNet, and Zagoruyko and Komodakis 2016, arXiv:1605.07146, table 1: wide(28, 10) is WRN-28-10."""

    def __init__(self, stem, stages, classes):
        super().__init__()
        self.conv1 = nn.Conv2d(3, stem, 3, 1, 1, bias=False)
        channels = stem
        self.stages = len(stages)
        for i, (width, blocks) in enumerate(stages):
            layers = []
            for j in range(blocks):
                layers.append(PreActBlock(channels, width, 2 if i > 0 and j == 0 else 1))
                channels = width
            setattr(self, f"layer{i + 1}", nn.Sequential(*layers))
        self.bn = nn.BatchNorm2d(channels)
        self.fc = nn.Linear(channels, classes)

    def forward(self, x):
        x = self.conv1(x)
        for i in range(self.stages):
            x = getattr(self, f"layer{i + 1}")(x)
        return self.fc(F.relu(self.bn(x)).mean((2, 3)))


def preact_resnet18(classes):
    return PreActResNet(64, [(64, 2), (128, 2), (256, 2), (512, 2)], classes)


def wide(depth, factor, classes):
    return PreActResNet(16, [(16 * factor * 2**i, (depth - 4) // 6) for i in range(3)], classes)


# What neither torchvision nor timm has.
CIFAR = {
    "resnet20": lambda c: CifarResNet(3, c),
    "resnet32": lambda c: CifarResNet(5, c),
    "resnet56": lambda c: CifarResNet(9, c),
    "resnet110": lambda c: CifarResNet(18, c),
    "preact_resnet18": preact_resnet18,
    "wrn_16_4": lambda c: wide(16, 4, c),
    "wrn_40_2": lambda c: wide(40, 2, c),
    "wrn_28_10": lambda c: wide(28, 10, c),
}

# Name of the file: (model, image shape, classes). The last maps are 2 x 2 and more, but for the odd sizes, 5 x 3.
CASES = {
    "resnet18": (lambda c: resnet18(num_classes=c), (4, 3, 64, 64), 7),
    "resnet50": (lambda c: resnet50(num_classes=c), (4, 3, 64, 64), 7),
    "resnet18_odd": (lambda c: resnet18(num_classes=c), (2, 3, 139, 75), 10),
    "resnet18_cifar": (lambda c: cifar_stem(resnet18(num_classes=c)), (2, 3, 32, 32), 10),
    "resnet20": (CIFAR["resnet20"], (4, 3, 32, 32), 10),
    "mobilenet_v3_large": (lambda c: mobilenet(mobilenet_v3_large, c), (3, 3, 64, 64), 7),
    "mobilenet_v3_small": (lambda c: mobilenet(mobilenet_v3_small, c), (2, 3, 75, 64), 5),
    "vit_tiny_patch16_224": (lambda c: vit(c, 64), (2, 3, 64, 64), 5),
    "swin_t": (lambda c: swin_t(num_classes=c), (2, 3, 56, 64), 5),
    "convnext_tiny": (lambda c: convnext_tiny(num_classes=c), (2, 3, 72, 64), 5),
    "resnext50_32x4d": (lambda c: resnext50_32x4d(num_classes=c), (3, 3, 64, 64), 5),
    "resnet18d": (lambda c: timm.create_model("resnet18d", num_classes=c), (2, 3, 97, 75), 5),
    "preact_resnet18": (CIFAR["preact_resnet18"], (2, 3, 32, 32), 10),
    "wrn_16_4": (CIFAR["wrn_16_4"], (2, 3, 32, 32), 10),
    "mobilenet_v2": (lambda c: mobilenet_v2(num_classes=c), (3, 3, 64, 75), 5),
    "vgg11_bn": (lambda c: vgg11_bn(num_classes=c), (3, 3, 64, 64), 5),
    "densenet121": (lambda c: densenet121(num_classes=c), (3, 3, 64, 75), 5),
    "efficientnet_b0": (lambda c: efficientnet_b0(num_classes=c), (3, 3, 64, 75), 5),
    "efficientnet_v2_s": (lambda c: efficientnet_v2_s(num_classes=c), (3, 3, 64, 64), 5),
}


# Factors of the weights of norms: at 1 the values of this network grow from block to block until its gates are all 0 or 1, and
# rounding decides the logits.
GAINS = {"efficientnet_v2_s": 0.9}


def make(case):
    build, shape, classes = CASES[case]
    model = drawn(build(classes)).double()
    images = torch.from_numpy(u("images", shape) * np.sqrt(3.0))
    targets = u("targets", (shape[0], classes)) + 1.0
    targets = torch.from_numpy(targets / targets.sum(1, keepdims=True))
    out = {}

    fill(model, GAINS.get(case, 1.0))
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
    parser.add_argument("cases", nargs="*", default=[""], help="beginnings of their names; all by default")
    options = parser.parse_args()
    check = options.check
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    OUT.mkdir(exist_ok=True)
    failed = False
    for case in [case for case in CASES if case.startswith(tuple(options.cases))]:
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
