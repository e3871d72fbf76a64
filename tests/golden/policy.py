"""Golden numbers of the mixes, made by the authors' code on fixed draws.

    python tests/golden/policy.py            write tests/golden/policy/cases.json
    python tests/golden/policy.py --check    make it again and compare bytes

Versions: Python 3, numpy 2.x, torch 2.15 (CPU, one thread, float32 as the authors'). Seed 3.

    zeta_mixup    kakumarabhishek/zeta-mixup@dab71b982325b6b096ac31da24692eacbdac70b4 (MIT): zeta_mixup
    intra_class   wxitxy/synermix@e2848d50f1ed876105c26a14656dd9c36312a400 (MIT): intra_mixup
    cutmix        clovaai/CutMix-PyTorch@2d8eb68faff7fe4962776ad51d175c3b01a25734 (MIT): rand_bbox

Their files lie unchanged under policy/authors/, with their licences. Their random calls are replaced by numbers drawn here,
which are stored with the results: what is compared is the arithmetic. `ranks` are those of the ζ-mixup draw after the shift
that puts rank 1 on the diagonal, made by an integer roll and checked against the weights. Results are rounded to 5 decimals.
"""

import json
import sys
from pathlib import Path
from unittest import mock

import numpy as np
import torch

SEED = 3
FOLDER = Path(__file__).parent / "policy"
for name in ["zeta-mixup", "synermix", "cutmix"]:
    sys.path.insert(0, str(FOLDER / "authors" / name))

import intra_mixup  # noqa: E402
import rand_bbox  # noqa: E402
import zeta_mixup  # noqa: E402

rng = np.random.default_rng(SEED)


def rounded(values):
    return [round(float(x), 5) + 0.0 for x in np.asarray(values).ravel()]


def zeta_case(rows, gamma, classes):
    noise = rng.random((rows, rows))
    ranks = np.argsort(noise, axis=1) + 1
    ranks = np.stack([np.roll(row, i - np.argmax(row == 1)) for i, row in enumerate(ranks)])
    x = torch.tensor(rng.integers(-9, 10, (rows, 2, 1, 2)) / 4, dtype=torch.float32)
    y = torch.tensor(rng.integers(0, classes, rows))
    with mock.patch("numpy.random.rand", lambda *shape: noise):
        weights = zeta_mixup.zeta_mixup_weights(rows, gamma)
        x_new, y_new = zeta_mixup.zeta_mixup(x, y, classes, gamma)
    assert np.array_equal(np.rint((weights / weights.diag()[:, None]).numpy() ** (-1 / gamma)), ranks)
    return {
        "gamma": gamma,
        "classes": classes,
        "ranks": ranks.tolist(),
        "labels": y.tolist(),
        "shape": list(x.shape),
        "values": rounded(x),
        "shares": rounded(weights),
        "mixed": rounded(x_new),
        "targets": rounded(y_new),
    }


def intra_case(labels, width):
    values = torch.tensor(rng.integers(-9, 10, (len(labels), width)) / 4, dtype=torch.float32)
    draws = []

    def rand(n, device):
        draws.append(torch.tensor(rng.random(n), dtype=torch.float32))
        return draws[-1].clone()

    with mock.patch("torch.rand", rand):
        mixed, classes = intra_mixup.intra_mixup(values, torch.tensor(labels))
    return {
        "labels": labels,
        "shape": list(values.shape),
        "values": rounded(values),
        "draws": [d.tolist() for d in draws],
        "mixed": rounded(mixed),
        "classes": classes.tolist(),
    }


def box_case(height, width, share):
    """The authors' first axis is our rows: their size[2] of (N, C, H, W)."""
    centre = [int(rng.integers(height)), int(rng.integers(width))]
    with mock.patch("numpy.random.randint", mock.Mock(side_effect=centre)):
        top, left, bottom, right = rand_bbox.rand_bbox((1, 3, height, width), share)
    return {
        "size": [height, width],
        "lambda": share,
        "centre": centre,
        "box": [int(top), int(bottom), int(left), int(right)],
        "own": 1 - float((bottom - top) * (right - left)) / (height * width),
    }


def make():
    torch.set_num_threads(1)
    np.int = int  # the name that numpy 1.24 removed
    sizes = [(32, 32), (28, 28), (7, 5), (1, 1), (224, 224), (64, 48)]
    cases = {
        "zeta_mixup": [
            zeta_case(rows, gamma, classes)
            for rows, gamma, classes in [(1, 2.8, 2), (2, 2.8, 2), (3, 1.72865, 3), (4, 2.4, 3), (7, 2.8, 7), (8, 4.0, 5), (13, 2.8, 4)]
        ],
        "intra_class": [
            intra_case(labels, width) for labels, width in [([2], 2), ([1, 1, 1], 3), ([3, 0, 3, 2, 0, 3, 3, 6], 4), ([4, 1, 0], 2)]
        ],
        "cutmix": [box_case(h, w, share) for h, w in sizes for share in [0.0, 0.1, 0.35, 0.5, 0.75, 0.9, 0.99, 1.0]],
    }
    lines = [f'"{name}": [\n' + ",\n".join(json.dumps(case) for case in group) + "\n]" for name, group in cases.items()]
    return "{\n" + ",\n".join(lines) + "\n}\n"


text = make()
target = FOLDER / "cases.json"
if "--check" in sys.argv:
    same = target.read_text() == text
    print("the same bytes" if same else f"{target} differs from what the authors' code gives now")
    sys.exit(0 if same else 1)
target.write_text(text)
