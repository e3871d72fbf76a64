"""Golden numbers of the mixes, made by the authors' code on fixed draws.

    python tests/golden/policy.py            write tests/golden/policy/cases.json
    python tests/golden/policy.py --check    make it again and compare bytes

Versions: Python 3, numpy 2.x, scipy 1.17, torch 2.15 (CPU, one thread, float32 as the authors'), torchvision 0.29, timm 1.0.31.
Seed 3.

    zeta_mixup    kakumarabhishek/zeta-mixup@dab71b982325b6b096ac31da24692eacbdac70b4 (MIT): zeta_mixup
    intra_class   wxitxy/synermix@e2848d50f1ed876105c26a14656dd9c36312a400 (MIT): intra_mixup
    cutmix        clovaai/CutMix-PyTorch@2d8eb68faff7fe4962776ad51d175c3b01a25734 (MIT): rand_bbox
    fmix          ecs-vlc/FMix@e5991dca018882734c8ea63599f10dfbe67fa0ae (MIT): binarise_mask; the field by numpy from the paper's
                  formula, since the code's own does not follow it (asserted below)
    resizemix     the paper's formula, with torch's antialiased bilinear resizing; patches and resizemix_batches: the steps of
                  JayQine/ResizeMix@45441ffe301d881d1819e61a6c19a3cd79459a91 (Apache-2.0), run_apis/trainer.py and getbox_new
                  of tools/utils.py, written again
    lattices      the steps of IlyaDobrynin/GridMixup@11b741f234832c9a15b4e650e1e4fad0e79dc63b, _get_random_crop and _get_gridmask,
                  written again
    spectral      Hou and Zhang's formula, in numpy and scipy
    peers         torchvision.transforms.v2 CutMix and MixUp; timm.data.Mixup, by batch and by element

Their files lie unchanged under policy/authors/, with their licences. Their random calls are replaced by numbers drawn here,
which are stored with the results: what is compared is the arithmetic. `ranks` are those of the ζ-mixup draw after the shift
that puts rank 1 on the diagonal, made by an integer roll and checked against the weights. Results are rounded to 5 decimals.
"""

import json
import math
import sys
from pathlib import Path
from unittest import mock

import numpy as np
import scipy.ndimage
import torch
from timm.data import Mixup
from torch.nn.functional import interpolate
from torchvision.transforms import v2

SEED = 3
FOLDER = Path(__file__).parent / "policy"
for name in ["zeta-mixup", "synermix", "cutmix", "fmix"]:
    sys.path.insert(0, str(FOLDER / "authors" / name))

import fmix  # noqa: E402
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


def fmix_case(height, width, decay, share, up):
    spectrum = np.round(rng.normal(size=(height, width, 2)), 3)
    f = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width)[None, :])
    scale = np.maximum(f, 1 / max(height, width)) ** -decay
    field = np.fft.ifft2((spectrum[..., 0] + 1j * spectrum[..., 1]) * scale).real
    with mock.patch("random.random", lambda: 0.9 if up else 0.1):
        mask = fmix.binarise_mask(field.copy(), share, (height, width))
    return {
        "size": [height, width],
        "decay": decay,
        "spectrum": spectrum.reshape(-1, 2).tolist(),
        "field": rounded(field),
        "lambda": share,
        "up": up,
        "own": [int(x) for x in mask.ravel()],
    }


def check_fmix_quirk():
    np.random.seed(SEED)
    cycles = np.abs(np.fft.fftfreq(16) * 16)
    for _ in range(5):
        mask = fmix.make_low_freq_image(3, (16, 16))[0]
        assert np.abs(np.fft.fft2(mask)[:, cycles > 1]).max() < 1e-9, "no more than one cycle across"


def resize_case(rows, height, width, boxes):
    x = rng.integers(-9, 10, (rows, 2, height, width)) / 4
    partner = [int(j) for j in rng.permutation(rows)]
    values, mixed = torch.tensor(x), torch.tensor(x)
    for i, (top, bottom, left, right) in enumerate(boxes):
        small = interpolate(values[partner[i]][None], (bottom - top, right - left), mode="bilinear", antialias=True)
        mixed[i, :, top:bottom, left:right] = small[0]
    return {
        "shape": list(x.shape),
        "values": rounded(x),
        "partner": partner,
        "boxes": boxes,
        "own": [1 - (b - t) * (r - left) / (height * width) for t, b, left, r in boxes],
        "mixed": rounded(mixed),
    }


def patch(size, tau, centre):
    """The authors' getbox_new about a centre: (top, bottom, left, right) of a patch whose sides are the resized image's."""
    sides = interpolate(torch.zeros(1, 1, *size), scale_factor=tau).shape[2:]
    starts = [np.clip(c - side // 2, 0, whole) for c, side, whole in zip(centre, sides, size)]
    ends = [np.clip(start + side, 0, whole) for start, side, whole in zip(starts, sides, size)]
    starts = [np.clip(end - side, 0, whole) for end, side, whole in zip(ends, sides, size)]
    return [int(edge) for pair in zip(starts, ends) for edge in pair]


def patch_case(height, width, tau):
    centre = [int(rng.integers(height)), int(rng.integers(width))]
    top, bottom, left, right = patch((height, width), tau, centre)
    own = 1 - (bottom - top) * (right - left) / (height * width)
    return {"size": [height, width], "tau": tau, "centre": centre, "box": [top, bottom, left, right], "own": own}


def resizemix_case(rows, height, width, tau):
    """Images of one colour each: the authors take the nearest pixels, which are then those of any interpolation."""
    colours = torch.tensor(rng.integers(-9, 10, (rows, 2, 1, 1)) / 4, dtype=torch.float32)
    x = colours.expand(rows, 2, height, width).clone()
    y = torch.tensor(rng.integers(0, 3, rows))
    order = torch.tensor(rng.permutation(rows))
    centres = [[int(rng.integers(height)), int(rng.integers(width))] for _ in range(rows)]
    small = interpolate(x, scale_factor=tau)
    mixed = x.clone()
    for i, centre in enumerate(centres):
        top, bottom, left, right = patch((height, width), tau, centre)
        mixed[i, :, top:bottom, left:right] = small[order[i]]
    own = 1 - (small.size(-1) * small.size(-2)) / (height * width)
    labels = torch.nn.functional.one_hot(y, 3).double()
    return {
        "shape": list(x.shape),
        "values": rounded(x),
        "labels": y.tolist(),
        "tau": tau,
        "partner": order.tolist(),
        "centres": centres,
        "mixed": rounded(mixed),
        "targets": rounded(own * labels + (1 - own) * labels[order]),
    }


def lattice_case(height, width, holes):
    area, aspect, share = float(rng.uniform(0.3, 0.6)), float(rng.uniform(0.6, 1.6)), float(rng.uniform())
    place = [float(rng.uniform()), float(rng.uniform())]
    crop_width = int(np.sqrt(int(height * width * area) / aspect))
    crop_height = int(crop_width * aspect)
    assert crop_width <= width and crop_height <= height and 1 <= holes <= crop_width // 2
    top, left = int((height - crop_height) * place[0]), int((width - crop_width) * place[1])
    cell = math.ceil(crop_width / holes)
    hole = min(max(int(cell * np.sqrt(1 - share)), 1), cell - 1)
    mask = np.zeros((height, width), int)
    for x in range(0, crop_width, cell):
        for y in range(0, crop_height, cell):
            mask[top + y : top + min(y + hole, crop_height), left + x : left + min(x + hole, crop_width)] = 1
    return {
        "size": [height, width],
        "area": area,
        "aspect": aspect,
        "place": place,
        "holes": holes,
        "lambda": share,
        "box": [top, top + crop_height, left, left + crop_width],
        "mask": mask.ravel().tolist(),
    }


def spectral_case(height, width):
    y, x = np.mgrid[:height, :width]
    image = rng.integers(-3, 4, (height, width)) / 8 + 2.0 * (np.hypot(y - height // 3, x - width // 2) < 2.5)
    spectrum = np.fft.fft2(image)
    logs = np.log(np.abs(spectrum))
    residual = logs - scipy.ndimage.uniform_filter(logs, 3, mode="wrap")
    saliency = np.abs(np.fft.ifft2(np.exp(residual + 1j * np.angle(spectrum)))) ** 2

    def smooth(side):
        line = np.exp(-0.5 * (np.arange(1 - side, side) / (2.5 / 64 * side)) ** 2)
        return line / line.sum()

    blurred = scipy.ndimage.convolve1d(saliency, smooth(height), axis=0, mode="constant")
    blurred = scipy.ndimage.convolve1d(blurred, smooth(width), axis=1, mode="constant")
    scale = blurred.max()
    return {
        "size": [height, width],
        "image": rounded(image),
        "scale": scale,
        "map": rounded(saliency / scale),
        "smoothed": rounded(blurred / scale),
        "peak": [int(k) for k in np.unravel_index(blurred.argmax(), blurred.shape)],
    }


def peer_case(name, rows, height, width, run, extra):
    x = torch.tensor(rng.integers(-9, 10, (rows, 2, height, width)) / 4, dtype=torch.float32)
    y = torch.tensor(rng.integers(0, 3, rows))
    mixed, targets = run(x.clone(), y)
    return {
        "peer": name,
        "shape": list(x.shape),
        "values": rounded(x),
        "labels": y.tolist(),
        **extra,
        "mixed": rounded(mixed),
        "targets": rounded(targets),
    }


def torchvision_case(rows, height, width, share, centre):
    transform = (v2.CutMix if centre else v2.MixUp)(num_classes=3)
    transform._dist = mock.Mock(sample=lambda shape: torch.tensor(share))
    # Theirs draws the column first.
    draws = [torch.tensor([k]) for k in (centre or [])[::-1]]

    def run(x, y):
        with mock.patch("torch.randint", mock.Mock(side_effect=draws)):
            return transform(x, y)

    return peer_case("torchvision", rows, height, width, run, {"order": "roll", "lambda": [share], "centre": centre})


def timm_case(rows, height, width, shares, centre):
    kind = {"mixup_alpha": 0.0, "cutmix_alpha": 1.0} if centre else {"mixup_alpha": 1.0}
    mixup = Mixup(**kind, label_smoothing=0.0, num_classes=3, mode="elem" if len(shares) > 1 else "batch")
    if centre:
        # timm cuts an odd side whole since 1.0.30, the authors one pixel short: cases of even sides.
        assert all(int(side * math.sqrt(1 - shares[0])) % 2 == 0 for side in (height, width))

    def run(x, y):
        drawn = np.array(shares) if len(shares) > 1 else shares[0]
        with (
            mock.patch("numpy.random.beta", lambda *_, **__: drawn),
            mock.patch("numpy.random.randint", mock.Mock(side_effect=centre)),
        ):
            return mixup(x, y)

    return peer_case("timm", rows, height, width, run, {"order": "flip", "lambda": shares, "centre": centre})


def make():
    torch.set_num_threads(1)
    check_fmix_quirk()
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
        "fmix": [
            fmix_case(*case)
            for case in [(8, 8, 3.0, 0.3, True), (8, 8, 3.0, 0.3, False), (7, 5, 2.0, 0.55, True), (6, 10, 0.0, 0.75, False), (4, 4, 3.0, 1.0, True)]
        ],
        "resizemix": [
            resize_case(2, 4, 4, [[0, 2, 1, 3], [0, 4, 0, 4]]),
            resize_case(3, 7, 5, [[1, 5, 0, 3], [6, 7, 4, 5], [2, 7, 1, 5]]),
        ],
        "patches": [
            patch_case(h, w, tau)
            for h, w in [(32, 32), (28, 28), (7, 5), (20, 10), (224, 224), (64, 48)]
            for tau in [0.2, 0.25, 0.33, 0.45, 0.5, 0.61, 0.75, 0.8]
        ],
        "resizemix_batches": [resizemix_case(4, 6, 4, 0.5), resizemix_case(5, 5, 7, 0.3), resizemix_case(3, 8, 8, 0.8)],
        "lattices": [lattice_case(h, w, holes) for h, w in [(16, 16), (15, 20), (24, 13)] for holes in [1, 2, 3, 4]],
        "spectral": [spectral_case(16, 12), spectral_case(20, 20), spectral_case(9, 15)],
        "peers": [
            torchvision_case(4, 3, 2, 0.3, None),
            torchvision_case(5, 2, 2, 0.75, None),
            torchvision_case(3, 6, 8, 0.3, [0, 5]),
            torchvision_case(4, 5, 7, 0.55, [4, 3]),
            timm_case(4, 2, 3, [0.3], None),
            timm_case(4, 2, 3, [0.3, 0.75, 1.0, 0.1], None),
            timm_case(4, 8, 8, [0.75], [2, 7]),
        ],
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
