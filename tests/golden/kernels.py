"""Goldens of tallow-kernels: PyTorch's own results, in float64, of small cases of each op.

Inputs are a formula of (seed, index), the same in Rust: ((i * 7919 + seed * 104729) % 1009) / 504.5 - 1.
Gradients are those of sum(y * numbers(seed 99)). Made with torch 2.15 on a CPU, no random numbers.

    python tests/golden/kernels.py [--check]
"""

import json
import pathlib
import sys

import torch
import torch.nn.functional as F

OUT = pathlib.Path(__file__).parent / "kernels" / "kernels.json"
torch.set_num_threads(1)


def numbers(shape, seed):
    n = 1
    for size in shape:
        n *= size
    i = torch.arange(n, dtype=torch.int64)
    return (((i * 7919 + seed * 104729) % 1009).double() / 504.5 - 1).reshape(shape)


def targets(shape, seed):
    t = numbers(shape, seed) + 1.25
    return t / t.sum(1, keepdim=True)


def flat(x):
    # 12 digits: PyTorch's order of sums may differ between builds in the last bits.
    return [float(f"{v:.12g}") + 0.0 for v in x.detach().reshape(-1).tolist()]


def op(f, *inputs):
    inputs = [x.clone().requires_grad_() for x in inputs]
    y = f(*inputs)
    (y * numbers(y.shape, 99)).sum().backward()
    return {"result": flat(y), "gradients": [flat(x.grad) for x in inputs]}


def convolution(shape, weight, stride, padding, dilation, groups):
    case = op(
        lambda x, w: F.conv2d(x, w, None, stride, padding, dilation, groups), numbers(shape, 1), numbers(weight, 2)
    )
    return {"x": shape, "weight": weight, "conv": [stride, padding, dilation, groups], **case}


def batch_norm(training):
    mean, var = numbers([3], 7), numbers([3], 8) + 2
    case = op(
        lambda x, w, b, r: F.relu(F.batch_norm(x, mean, var, w, b, training, 0.1, 1e-5) + r),
        *[numbers(s, k) for s, k in (([2, 3, 4, 5], 3), ([3], 4), ([3], 5), ([2, 3, 4, 5], 6))],
    )
    return {"training": training, "mean": flat(mean), "var": flat(var), **case}


def pool(kind, kernel, stride, padding, include):
    if kind == "max":
        case = op(lambda x: F.max_pool2d(x, kernel, stride, padding), numbers([2, 2, 7, 6], 9))
    else:
        case = op(lambda x: F.avg_pool2d(x, kernel, stride, padding, False, include), numbers([2, 2, 7, 6], 9))
    return {"kind": kind, "window": [kernel, stride, padding], "include": include, **case}


def paste_resized(shape, partner, boxes):
    def paste(x):
        y = x.clone()
        for i, (top, bottom, left, right) in enumerate(boxes * (len(partner) // len(boxes))):
            small = F.interpolate(x[partner[i]][None], (bottom - top, right - left), mode="bilinear", antialias=True)
            y[i, :, top:bottom, left:right] = small[0]
        return y

    return {"x": shape, "partner": partner, "boxes": boxes, **op(paste, numbers(shape, 32))}


def optimizer(make):
    p = torch.nn.Parameter(numbers([7], 20))
    optimizer = make([p])
    steps = []
    for i in range(3):
        p.grad = numbers([7], 21 + i)
        optimizer.step()
        steps.append(flat(p))
    return steps


def document():
    weights = [0.5, 1.0, 2.0, 0.25]
    z, t = numbers([5, 4], 11) * 4, targets([5, 4], 12)
    x = numbers([2, 3, 4, 5], 30) * 5
    return {
        "torch": torch.__version__,
        "conv2d": [
            convolution([2, 3, 7, 5], [4, 3, 3, 3], 1, 1, 1, 1),
            convolution([2, 3, 7, 6], [4, 3, 3, 3], 2, 1, 1, 1),
            convolution([1, 4, 9, 8], [6, 2, 3, 2], 2, 2, 2, 2),
            convolution([2, 3, 6, 5], [6, 1, 3, 3], 1, 1, 1, 3),
            convolution([3, 2, 7, 6], [2, 1, 5, 5], 2, 2, 1, 2),
            convolution([1, 8, 6, 9], [6, 8, 3, 3], 1, 1, 1, 1),
        ],
        "batch_norm": [batch_norm(True), batch_norm(False)],
        "pool": [
            pool("max", 3, 2, 1, False),
            pool("max", 2, 2, 0, False),
            pool("avg", 3, 2, 1, False),
            pool("avg", 3, 2, 1, True),
        ],
        "hard_swish": op(F.hardswish, x),
        # Not F.hardsigmoid: its gradient has 1/6 in single precision, in float64 too.
        "hard_sigmoid": op(lambda x: F.relu6(x + 3) / 6, x),
        "silu": op(F.silu, x),
        "sigmoid": op(torch.sigmoid, x),
        "relu6": op(F.relu6, x),
        "avg_ceil": op(lambda x: F.avg_pool2d(x, 2, 2, 0, True, False), numbers([2, 2, 7, 6], 9)),
        "adaptive": op(lambda x: F.adaptive_avg_pool2d(x, (5, 4)), numbers([2, 2, 7, 6], 9)),
        "scale_channels": op(lambda x, s: x * s[:, :, None, None], x, numbers([2, 3], 31)),
        "paste_resized": [
            paste_resized([2, 2, 9, 7], [1, 0], [[2, 6, 1, 6]]),
            # No patch of one column: torch 2.15 gives all its rows the values of the first.
            paste_resized([3, 1, 5, 12], [2, 2, 0], [[0, 5, 4, 7], [1, 2, 0, 12], [0, 4, 3, 5]]),
        ],
        "cross_entropy": [
            {"weights": w, **op(lambda z: F.cross_entropy(z, t, None if w is None else torch.tensor(w).double()), z)}
            for w in (None, weights)
        ],
        "sgd": [
            {"nesterov": n, "steps": optimizer(lambda p: torch.optim.SGD(p, 0.1, 0.9, 0, 5e-4, n))}
            for n in (False, True)
        ],
        "adamw": {"steps": optimizer(lambda p: torch.optim.AdamW(p, 0.1, (0.9, 0.99), 1e-8, 0.05))},
    }


def main():
    text = json.dumps(document(), separators=(",", ":")) + "\n"
    if "--check" in sys.argv:
        if OUT.read_text() != text:
            sys.exit(f"{OUT}: differs from what this script makes")
        print(f"{OUT.name}: as made")
        return
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(text)


main()
