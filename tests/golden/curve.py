#!/usr/bin/env python
"""Golden loss curves of 20 or 50 training steps, made with PyTorch 2.15, torchvision 0.29 and timm 1.0, fp64 on the CPU.

    python tests/golden/curve.py            writes tests/golden/curve/curve.json
    python tests/golden/curve.py --check    makes it again and compares bytes

Weights are those of the formula of models.py, the weights of EfficientNet's norms times 0.9. Step s sees batch b = s mod 4:
images u("images.b") * sqrt(3), targets the rows of (u("targets.b") + 1) / sum. Each step is soft cross-entropy (mean over rows),
its gradient, and SGD with Nesterov momentum 0.9, decay 5e-4 of every parameter and the rate of the case. The loss recorded is
that before the update. Dropout and stochastic depth draw what the Rust layers draw under the seed 0, folded with "step" and the
step's number.

The case `synermix` has the loss of wxitxy/synermix@e2848d50f1ed876105c26a14656dd9c36312a400 in place of that, in the order of its
main.py: beta * CE(fc(intra_mixup(features(clean), labels))) + (1 - beta) * (lambda * CE(out, y_a) + (1 - lambda) * CE(out, y_b)),
with its intra_mixup (policy/authors/synermix, MIT) and beta = 0.1; clean images u("clean.b") * sqrt(3), and with v = (u + 1) / 2
labels floor(v("labels.b") * classes), weights v("intra.b"), lambda v("lambda.b"), the permutation that sorts u("order.b").

The second layout, channels_last, is no part of the file: the largest difference of its curve is printed, and says how far two
correct orders of the same sums drift apart.
"""

import argparse
import json
import pathlib
import sys
from unittest import mock

import numpy as np
import torch
import torch.nn.functional as F
from models import CIFAR, Drop, cifar_stem, drawn, fill, fold, mobilenet, u, vit
from torchvision.models import convnext_tiny, densenet121, efficientnet_b0, mobilenet_v3_small, resnet18, swin_t

FOLDER = pathlib.Path(__file__).parent
sys.path.insert(0, str(FOLDER / "policy" / "authors" / "synermix"))
from intra_mixup import intra_mixup  # noqa: E402

OUT = FOLDER / "curve" / "curve.json"
BATCHES = 4
BETA = 0.1

# Case: (network, image shape, classes, rate, steps).
CASES = {
    "resnet20": (CIFAR["resnet20"], (8, 3, 16, 16), 10, 0.05, 50),
    "resnet18_cifar": (lambda c: cifar_stem(resnet18(num_classes=c)), (8, 3, 16, 16), 10, 0.01, 50),
    "vit_tiny_patch16_224": (lambda c: vit(c, 32), (8, 3, 32, 32), 10, 0.005, 50),
    "wrn_16_4": (CIFAR["wrn_16_4"], (8, 3, 16, 16), 10, 0.05, 20),
    "mobilenet_v3_small": (lambda c: mobilenet(mobilenet_v3_small, c), (8, 3, 32, 32), 10, 0.02, 20),
    "efficientnet_b0": (lambda c: efficientnet_b0(num_classes=c), (4, 3, 64, 64), 10, 0.002, 20),
    "densenet121": (lambda c: densenet121(num_classes=c), (4, 3, 64, 64), 10, 0.005, 20),
    "convnext_tiny": (lambda c: convnext_tiny(num_classes=c), (4, 3, 32, 32), 10, 0.002, 20),
    "swin_t": (lambda c: swin_t(num_classes=c), (4, 3, 32, 32), 10, 0.001, 20),
    "synermix": (CIFAR["resnet20"], (8, 3, 16, 16), 4, 0.05, 50),
}


def images(name, shape, layout):
    return torch.from_numpy(u(name, shape) * np.sqrt(3.0)).to(memory_format=layout)


def soft(model, number, shape, classes, layout):
    targets = u(f"targets.{number}", (shape[0], classes)) + 1.0
    targets = torch.from_numpy(targets / targets.sum(1, keepdims=True))
    return -(targets * F.log_softmax(model(images(f"images.{number}", shape, layout)), 1)).sum(1).mean()


def synermix(model, number, shape, classes, layout):
    part = lambda name, n: (u(f"{name}.{number}", (n,)) + 1.0) / 2.0  # noqa: E731
    rows = shape[0]
    labels = torch.from_numpy((part("labels", rows) * classes).astype(np.int64))
    draws = iter(part("intra", rows).tolist())
    clean = images(f"clean.{number}", shape, layout)
    with mock.patch.object(model, "fc", torch.nn.Identity()):
        features = model(clean)
    with mock.patch("torch.rand", lambda n, device: torch.tensor([next(draws) for _ in range(n)], dtype=torch.float64)):
        mixed, present = intra_mixup(features, labels)
    intra = F.cross_entropy(model.fc(mixed), present)

    share = part("lambda", 1)[0]
    order = np.argsort(u(f"order.{number}", (rows,)))
    augmented = images(f"images.{number}", shape, layout)
    out = model(share * augmented + (1 - share) * augmented[order])
    inter = share * F.cross_entropy(out, labels) + (1 - share) * F.cross_entropy(out, labels[order])
    return BETA * intra + (1 - BETA) * inter


def curve(case, layout):
    build, shape, classes, rate, steps = CASES[case]
    model = drawn(build(classes)).double().to(memory_format=layout)
    fill(model, 0.9 if case.startswith("efficientnet") else 1.0)
    model.train()
    optimizer = torch.optim.SGD(model.parameters(), rate, momentum=0.9, nesterov=True, weight_decay=5e-4)
    loss_of = synermix if case == "synermix" else soft
    losses = []
    for step in range(steps):
        Drop.key = fold(bytes(32), "step", step)
        optimizer.zero_grad()
        loss = loss_of(model, step % BATCHES, shape, classes, layout)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    made = {}
    for case, (_, shape, classes, rate, _) in CASES.items():
        losses = curve(case, torch.contiguous_format)
        other = curve(case, torch.channels_last)
        drift = max(abs(a - b) for a, b in zip(losses, other))
        first, last = np.mean(losses[:BATCHES]), np.mean(losses[-BATCHES:])
        print(f"{case}: loss {first:.4f} to {last:.4f}; channels_last differs by {drift:.1e}", flush=True)
        made[case] = {"shape": shape, "classes": classes, "rate": rate, "losses": losses}
    text = json.dumps(made, indent=1) + "\n"
    if check:
        same = OUT.is_file() and OUT.read_text() == text
        print(f"{OUT.name}: {'same bytes' if same else 'DIFFERS'}")
        sys.exit(not same)
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(text)


if __name__ == "__main__":
    main()
