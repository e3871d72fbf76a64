"""Golden pixels of the image policies, made by Pillow and torchvision on PIL images.

    python tests/golden/image.py            write tests/golden/image/{cases.json,*.bin}
    python tests/golden/image.py --check    make them again and compare bytes

Versions: Python 3, numpy 2.x, Pillow 13.0.0 (MIT-CMU), torch 2.15, torchvision 0.29.2 (BSD-3-Clause), timm 1.0.31
(Apache-2.0), opencv-python-headless 5.0.0 (Apache-2.0). Seed 7.

given.bin and <policy>.bin hold RGB bytes, row by row, of the inputs and of what each policy makes of them, one image
after another; cases.json says where (`file`, `at` in bytes) and how large. `draw` is what the policy's `draw` would have
given; `spaces` are the magnitudes that torchvision's and timm's automatic policies choose from. Two kinds of input: noise, where every
rounding shows, and a drawing of discs and gradients, where a shift of half a pixel shows. What neither library has
(color_constancy, field_of_view, hair, ruler) is made here by numpy from the policy's definition.
"""

import json
import sys
from pathlib import Path
from unittest import mock

import cv2
import numpy as np
import PIL
import timm.data.auto_augment as timm
import torch
import torchvision
from PIL import Image
from torchvision.transforms import InterpolationMode, v2
from torchvision.transforms.v2 import functional as F

SEED = 7
OUT = Path(__file__).parent / "image"
FILTERS = {
    "nearest": InterpolationMode.NEAREST,
    "bilinear": InterpolationMode.BILINEAR,
    "bicubic": InterpolationMode.BICUBIC,
}

OPERATIONS = ["Identity", "ShearX", "ShearY", "TranslateX", "TranslateY", "Rotate", "Brightness", "Color", "Contrast"]
OPERATIONS += ["Sharpness", "Posterize", "Solarize", "AutoContrast", "Equalize", "Invert"]  # by the number that ours have

TIMM = timm._RAND_TRANSFORMS  # likewise by number

files = {}
cases = []


def place(name, image):
    pixels = files.setdefault(f"{name}.bin", bytearray())
    at = len(pixels)
    pixels.extend(image.tobytes())
    return {"file": f"{name}.bin", "at": at, "width": image.width, "height": image.height}


def noise(rng, width, height):
    return Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8))


def drawing(width, height):
    y, x = np.mgrid[0:height, 0:width] / max(width, height)
    red = 255 * x
    green = 255 * ((x - 0.3) ** 2 + (y - 0.25) ** 2 < 0.04)
    blue = 127.5 + 127.5 * np.sin(9 * x + 14 * y)
    return Image.fromarray(np.stack([red, green, blue], axis=2).astype(np.uint8))


def case(policy, parameters, draw, given, expected):
    cases.append(
        {"policy": policy, "parameters": parameters, "draw": draw, "given": given, "expected": place(policy, expected)}
    )


def resizes(inputs):
    sizes = [[16, 16], [11, 43], [40, 13], [29, 20], [7, 5], [1, 1]]
    for name in ["noise", "drawing"]:
        image, given = inputs[name]
        for interpolation, mode in FILTERS.items():
            for size in sizes if name == "noise" else sizes[:1]:
                out = F.resize(image, size, mode, antialias=True)
                case("resize", {"size": size, "interpolation": interpolation}, [], given, out)
    for name, side in [("noise", 16), ("noise", 40), ("tall", 12), ("pixel", 3), ("line", 2)]:
        image, given = inputs[name]
        out = F.resize(image, side, InterpolationMode.BILINEAR, antialias=True)
        case("resize", {"size": side}, [], given, out)


def crops(inputs):
    for name, size in [("noise", [24, 24]), ("noise", [24, 20]), ("noise", [33, 38]), ("noise", [30, 17]), ("pixel", [4, 3])]:
        image, given = inputs[name]
        case("center_crop", {"size": size}, [], given, F.center_crop(image, size))
    image, given = inputs["noise"]
    boxes = [[0, 0, 37, 29], [3, 5, 20, 17], [10, 1, 9, 26], [36, 28, 1, 1], [4, 2, 16, 16]]
    for interpolation, mode in FILTERS.items():
        for left, top, width, height in boxes:
            out = F.resized_crop(image, top, left, height, width, [16, 16], mode, antialias=True)
            parameters = {"size": 16, "interpolation": interpolation}
            case("random_resized_crop", parameters, [left, top, width, height], given, out)
    image, given = inputs["square"]
    for mode, padding_mode in [("zero", "constant"), ("reflect", "reflect")]:
        for left, top in [(-4, -4), (4, 4), (-1, 3), (0, 0)]:
            padded = F.pad(image, [4], padding_mode=padding_mode)
            out = F.crop(padded, top + 4, left + 4, 16, 16)
            case("crop", {"size": 16, "padding": 4, "mode": mode}, [left, top], given, out)
    image, given = inputs["line"]
    out = F.crop(F.pad(image, [7, 7, 7, 7], padding_mode="reflect"), 1, 0, 8, 8)
    case("crop", {"size": 8, "padding": 7, "mode": "reflect"}, [-7, -6], given, out)


def flips(inputs):
    for name in ["noise", "square", "pixel"]:
        image, given = inputs[name]
        case("flip", {}, [1], given, F.horizontal_flip(image))
        case("flip", {"axis": "vertical"}, [1], given, F.vertical_flip(image))
        case("flip", {"axis": "vertical"}, [0], given, image)


def rotations(inputs):
    angles = [0.0, 12.5, -33.0, 90.0, 135.25, 180.0, 270.0, 359.9]
    for name, angles in [("noise", angles[1:5]), ("drawing", angles[1:3]), ("square", angles)]:
        image, given = inputs[name]
        for angle in angles:
            out = F.rotate(image, angle, InterpolationMode.BILINEAR, fill=[10, 200, 30])
            case("rotate", {"degrees": 360, "fill": [10, 200, 30]}, [angle], given, out)


def jitters(inputs):
    adjust = [F.adjust_brightness, F.adjust_contrast, F.adjust_saturation, F.adjust_hue]
    image, given = inputs["square"]
    draws = [[[which, factor]] for which in range(3) for factor in [0.0, 0.37, 1.0, 1.6, 3.1]]
    draws += [[[3, shift]] for shift in [-0.5, -0.123, 0.0, 0.05, 0.5]]
    draws += [[[3, 0.1], [0, 1.2], [2, 0.7], [1, 1.3]], [[2, 1.4], [3, -0.07], [1, 0.6]]]
    for draw in draws:
        out = image
        for which, factor in draw:
            out = adjust[which](out, factor)
        case("color_jitter", {}, [number for pair in draw for number in pair], given, out)
    image, given = inputs["colours"]
    case("color_jitter", {}, [3, 0.2], given, F.adjust_hue(image, 0.2))


def affines(inputs):
    draws = [[20, 3, -4, 1.1, 0, 0], [-135.5, 0, 0, 0.6, 25, -10], [0, 5, 2, 1, 0, 0], [0, 0, 0, 1.7, 0, 0], [0, 1, 1, 1, 14, 0]]
    for name in ["noise", "drawing"]:
        image, given = inputs[name]
        for interpolation, mode in FILTERS.items():
            for angle, x, y, scale, *shear in draws if name == "noise" else draws[:1]:
                out = F.affine(image, angle, [x, y], scale, shear, mode, [10, 200, 30])
                parameters = {"interpolation": interpolation, "fill": [10, 200, 30]}
                case("affine", parameters, [angle, x, y, scale, *shear], given, out)
    image, given = inputs["square"]
    for interpolation, angle in [("nearest", a) for a in [0.0, 21.5, 90.0, 180.0]] + [("bicubic", a) for a in [21.5, 90.0]]:
        out = F.rotate(image, angle, FILTERS[interpolation], fill=0)
        case("rotate", {"degrees": 360, "interpolation": interpolation}, [angle], given, out)


def colours(inputs):
    """Noise has every level, `colours` few of them, `flat` and `pixel` one; `dim` stops short of black and white."""
    for name in ["square", "colours", "flat", "dim", "drawing", "pixel"]:
        image, given = inputs[name]
        case("grayscale", {}, [], given, F.rgb_to_grayscale(image, 3))
        for policy in ["equalize", "autocontrast", "invert"]:
            case(policy, {}, [], given, getattr(F, policy)(image))
    image, given = inputs["square"]
    for bits in range(1, 9):
        case("posterize", {"bits": bits}, [], given, F.posterize(image, bits))
    for threshold in [0, 1, 100, 128, 255]:
        case("solarize", {"threshold": threshold}, [], given, F.solarize(image, threshold))


def neighbourhoods(inputs):
    for name in ["noise", "drawing", "line", "pixel", "speck"]:
        image, given = inputs[name]
        for factor in [0.0, 0.4, 1.0, 2.0, 9.5] if name == "noise" else [0.0, 1.9]:
            case("sharpness", {}, [factor], given, F.adjust_sharpness(image, factor))
    for name, size, sigma in [("noise", 3, 0.1), ("noise", 5, 0.8), ("noise", 23, 2.0), ("drawing", 9, 5.0), ("pixel", 1, 1.0)]:
        image, given = inputs[name]
        case("gaussian_blur", {"kernel_size": size}, [sigma], given, F.gaussian_blur(image, [size, size], [sigma, sigma]))


def spaces(width, height):
    """The magnitudes of each operation, at every step, and the probabilities of AutoAugment's pairs."""

    def steps(space, bins):
        listed = {name: (magnitudes(bins, height, width), signed) for name, (magnitudes, signed) in space.items()}
        rounded = lambda values: [] if values is None else [round(float(x), 5) for x in values]
        return {name: {"signed": signed, "magnitudes": rounded(values)} for name, (values, signed) in listed.items()}

    return {
        "size": [width, height],
        "operations": OPERATIONS,
        "randaugment": steps(v2.RandAugment._AUGMENTATION_SPACE, 31),
        "trivialaugment": steps(v2.TrivialAugmentWide._AUGMENTATION_SPACE, 31),
        "augmix": steps(v2.AugMix._AUGMENTATION_SPACE, 10),
        "augmix_without": steps(v2.AugMix._PARTIAL_AUGMENTATION_SPACE, 10),
        "autoaugment": steps(v2.AutoAugment._AUGMENTATION_SPACE, 10),
        "timm": timm_space(timm._RAND_TRANSFORMS, width, height),
        "timm_increasing": timm_space(timm._RAND_INCREASING_TRANSFORMS, width, height),
        "pairs": {policy.value: v2.AutoAugment(policy)._policies for policy in v2.AutoAugmentPolicy},
    }


def timm_space(names, width, height):
    """For each operation, at level 0 to 10, the amounts of both signs: those of x and y in pixels."""

    def amounts(name, level):
        if timm.LEVEL_TO_ARG[name] is None:
            return [0]
        found = []
        for number in [0.25, 0.75]:
            with mock.patch("random.random", lambda: number):
                amount = timm.LEVEL_TO_ARG[name](level, {})
            found.append(amount[0] if isinstance(amount, tuple) else amount)
        sides = {"TranslateXRel": width, "TranslateYRel": height}
        return [round(float(amount * sides.get(name, 1)), 5) for amount in found]

    return [[amounts(name, level) for level in range(11)] for name in names]


def operate(image, name, magnitude, interpolation):
    """One operation as torchvision's automatic policies apply it."""
    transform = v2.RandAugment(interpolation=FILTERS[interpolation], fill=[10, 200, 30])
    return transform._apply_image_or_video_transform(image, name, magnitude, transform.interpolation, transform._fill)


def automatic(inputs):
    strong = {"Identity": [0], "ShearX": [0.99, -0.2], "ShearY": [0.3, -0.99], "TranslateX": [5.7, -5.7], "TranslateY": [3.2, -20]}
    strong |= {"Rotate": [9.0, -135], "Brightness": [0.9, -0.27], "Color": [0.99, -0.99], "Contrast": [0.4, -0.9]}
    strong |= {"Sharpness": [0.9, -0.6], "Posterize": [4, 7], "Solarize": [0.7, 0.333], "AutoContrast": [0], "Equalize": [0], "Invert": [0]}
    image, given = inputs["square"]
    for name, magnitudes in strong.items():
        for magnitude in magnitudes:
            for interpolation in ["nearest", "bilinear"] if name[:5] in ["Shear", "Trans", "Rotat"] else ["nearest"]:
                out = operate(image, name, magnitude, interpolation)
                parameters = {"interpolation": interpolation, "fill": [10, 200, 30]}
                case("trivialaugment", parameters, [OPERATIONS.index(name), magnitude], given, out)
    image, given = inputs["noise"]
    chains = [("randaugment", [("Rotate", 9.0), ("Equalize", 0)]), ("randaugment", [("ShearX", -0.09), ("Color", 0.27), ("Solarize", 0.7)])]
    chains += [("autoaugment", [("Posterize", 5), ("Rotate", -30.0)]), ("autoaugment", [("Invert", 0)]), ("autoaugment", [])]
    for policy, chain in chains:
        out, draw = image, []
        for name, magnitude in chain:
            out = operate(out, name, magnitude, "nearest")
            draw += [OPERATIONS.index(name), magnitude]
        case(policy, {"fill": [10, 200, 30]}, draw, given, out)
    mixes = [(0.375, [(0.25, [("Rotate", 6.7), ("Posterize", 3)]), (0.375, [("TranslateX", -4.1)])]), (0.0, [(1.0, [("Solarize", 0.9)])])]
    mixes += [(0.61, [(0.14, [("ShearY", 0.07)]), (0.2, [("Color", -0.2), ("Equalize", 0), ("Contrast", 0.1)]), (0.05, [("Identity", 0)])])]
    for own, chains in mixes:
        mix, draw = own * F.pil_to_tensor(image), [own]
        for weight, chain in chains:
            out = image
            draw += [weight, len(chain)]
            for name, magnitude in chain:
                out = operate(out, name, magnitude, "bilinear")
                draw += [OPERATIONS.index(name), magnitude]
            mix.add_(weight * F.pil_to_tensor(out))
        case("augmix", {"fill": [10, 200, 30]}, draw, given, F.to_pil_image(mix.to(torch.uint8)))


def timms(inputs):
    """Every operation at two amounts by timm's own functions, then chains of them."""
    amounts = {"AutoContrast": [0], "Equalize": [0], "Invert": [0], "Rotate": [27.0, -180], "Posterize": [1, 3], "Solarize": [26, 256]}
    amounts |= {"SolarizeAdd": [99, 110], "Color": [1.81, 0.1], "Contrast": [0.19, 1.72], "Brightness": [0.1, 1.9], "Sharpness": [1.9, 0.19]}
    amounts |= {"ShearX": [-0.27, 0.3], "ShearY": [0.1, -0.3], "TranslateXRel": [0.405, -0.1], "TranslateYRel": [-0.45, 0.27]}
    filters = list(FILTERS)
    parameters = {"operations": "timm_increasing", "fill": [10, 200, 30]}

    def done(image, name, amount, filter):
        resample = getattr(Image.Resampling, filter.upper())
        own = () if timm.LEVEL_TO_ARG[name] is None else (amount,)
        sides = {"TranslateXRel": image.width, "TranslateYRel": image.height}
        number = [TIMM.index(name), amount * sides.get(name, 1), filters.index(filter)]
        return timm.NAME_TO_OP[name](image, *own, fillcolor=(10, 200, 30), resample=resample), number

    image, given = inputs["noise"]
    for name in TIMM:
        for amount in amounts[name]:
            for filter in filters if name[:5] in ["Shear", "Trans", "Rotat"] else filters[:1]:
                out, draw = done(image, name, amount, filter)
                case("randaugment", parameters, draw, given, out)
    image, given = inputs["drawing"]
    for chain in [[("Rotate", -13.5, "bicubic"), ("Solarize", 40, "bilinear")], [("ShearX", 0.2, "bilinear"), ("TranslateYRel", 0.3, "bicubic")]]:
        out, draw = image, []
        for name, amount, filter in chain:
            out, numbers = done(out, name, amount, filter)
            draw += numbers
        case("randaugment", parameters, draw, given, out)


def tilts(inputs):
    corners = [[3, 2, 30, 0, 36, 25, 1, 28], [9, 7, 27, 6, 28, 21, 8, 22], [1, 0, 36, 2, 35, 28, 0, 27], [0, 7, 36, 0, 29, 28, 9, 20]]
    sets = [(name, draw, filter) for name in ["noise", "drawing"] for draw in corners for filter in FILTERS]
    for name, draw, interpolation in sets:
        image, given = inputs[name]
        right, bottom = image.width - 1, image.height - 1
        start = [[0, 0], [right, 0], [right, bottom], [0, bottom]]
        ends = [draw[i : i + 2] for i in range(0, 8, 2)]
        out = F.perspective(image, start, ends, FILTERS[interpolation], [10, 200, 30])
        case("perspective", {"interpolation": interpolation, "fill": [10, 200, 30]}, draw, given, out)


def channels(inputs):
    orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]]
    image, given = inputs["speck"]
    for number, order in enumerate(orders):
        case("channel_permutation", {}, [number], given, F.permute_channels(image, order))
    image, given = inputs["square"]
    chosen = {"brightness_factor": 1.1, "contrast_factor": 0.6, "saturation_factor": 1.4, "hue_factor": -0.04}
    for before, changes in [(True, {}), (False, {}), (True, {"contrast_factor": None}), (False, {"channel_permutation": None})]:
        params = chosen | {"contrast_before": before, "channel_permutation": torch.tensor(orders[3])} | changes
        contrast = [(1, params["contrast_factor"])]
        order = [(0, params["brightness_factor"])] + contrast * before
        order += [(2, params["saturation_factor"]), (3, params["hue_factor"])] + contrast * (not before)
        order += [(4, 3 if params["channel_permutation"] is not None else None)]
        draw = [number for which, factor in order if factor is not None for number in (which, factor)]
        out = v2.RandomPhotometricDistort().transform(image, params)
        case("photometric_distort", {}, draw, given, out)


def jpegs(inputs):
    """Odd and even sides, sides of one and two blocks, images of one to four columns."""
    for name in ["noise", "drawing", "square", "tall", "line", "pixel", "speck", "flat", "disc", "colours"]:
        image, given = inputs[name]
        for quality in [1, 10, 30, 50, 75, 95, 100] if name == "noise" else [25, 75]:
            case("jpeg", {}, [quality], given, F.jpeg(image, quality).convert("RGB"))


def noises(rng, inputs):
    """z is drawn here, in hundredths, and takes the place of torchvision's."""
    image, given = inputs["speck"]
    for mean, sigma in [(0.0, 0.1), (0.3, 0.5), (-1.0, 0.0)]:
        z = np.round(rng.normal(size=(image.height, image.width, 3)), 2)
        planes = torch.tensor(z, dtype=torch.float32).permute(2, 0, 1)
        with mock.patch("torch.randn_like", lambda image, dtype: planes.to(dtype)):
            out = F.gaussian_noise(F.pil_to_tensor(image), mean, sigma)
        case("gaussian_noise", {"mean": mean, "sigma": sigma}, z.ravel().tolist(), given, F.to_pil_image(out))


def elastics(rng, inputs):
    """u is drawn here, in sixty-fourths."""
    for name, alpha, sigma in [("speck", 20.0, 0.4), ("speck", 0.0, 0.3), ("disc", 60.0, 2.0)]:
        image, given = inputs[name]
        u = rng.integers(-64, 65, (2, 1, 1, image.height, image.width)) / 64
        side = int(8 * sigma + 1) | 1
        blurred = [F.gaussian_blur(torch.tensor(plane, dtype=torch.float32), [side, side], [sigma, sigma]) for plane in u]
        shifts = torch.cat([alpha * plane / size for plane, size in zip(blurred, image.size)], 1)
        out = F.elastic(image, shifts.permute(0, 2, 3, 1))
        case("elastic", {"alpha": alpha, "sigma": sigma}, u.ravel().tolist(), given, out)


def constancies(inputs):
    for name, norm in [("square", 6), ("dim", 6), ("dim", 1), ("dim", 2.5), ("drawing", 6), ("red", 6)]:
        image, given = inputs[name]
        planes = np.array(image, dtype=np.float64)
        light = (planes**norm).mean(axis=(0, 1)) ** (1 / norm)
        gains = np.divide(np.sqrt((light**2).mean()), light, out=np.ones(3), where=light > 0)
        out = np.clip(np.floor(planes * gains + 0.5), 0, 255).astype(np.uint8)
        case("color_constancy", {"norm": norm}, [], given, Image.fromarray(out))


def views(inputs):
    """The disc is cut out, its square clipped; noise, the wide disc (bright corners) and black stay."""
    for name, margin in [("disc", 0.1), ("disc", 0.3), ("disc", 0.0), ("noise", 0.1), ("square", 1.0), ("wide", 0.1), ("pixel", 0.1)]:
        image, given = inputs[name]
        luma = np.array(image.convert("L"), dtype=np.float64)
        between = []
        for level in range(256):
            low, high = luma[luma <= level], luma[luma > level]
            between.append(low.size * high.size * (low.mean() - high.mean()) ** 2 if low.size and high.size else 0)
        y, x = np.nonzero(luma > 0.2 * np.argmax(between))
        eigenvalues = np.linalg.eigvalsh(np.cov(x, y, bias=True) + np.eye(2) / 12)
        reach = (1 - margin) * np.mean(4 * np.sqrt(eigenvalues)) / 2
        ends = (np.floor(c.mean() + 1 + s * reach).clip(0, n) for s in [-1, 1] for c, n in zip([x, y], image.size))
        left, top, right, bottom = map(int, ends)
        inside = np.zeros_like(luma, dtype=bool)
        inside[top:bottom, left:right] = True
        crops = inside.any() and not inside.all() and luma[~inside].mean() <= 0.3 * luma[inside].mean()
        case("field_of_view", {"margin": margin}, [], given, image.crop((left, top, right, bottom)) if crops else image)


def middles(inputs):
    image, given = inputs["noise"]
    # 37 − 12 = 25: the middle is 12.5, to even; 29 − 10 = 19: 9.5; 26 · 0.75 = 19.5; 20 · 0.375 = 7.5
    cuts = [([10, 12], [0, 0], 12, 10), ([10, 12], [-1, 1], 0, 19), ([9, 11], [0.5, -0.25], 20, 8), ([33, 20], [1, 1], 17, -2)]
    for size, draw, left, top in cuts:
        out = F.crop(F.pad(image, [4]), top + 4, left + 4, *size)
        case("center_to_border", {"size": size}, draw, given, out)


def painted(image, lines, colour, opacity):
    """Lines [(x, y, width), …] over the image, by the cover of each pixel as `stroke` states it."""
    y, x = np.mgrid[0 : image.height, 0 : image.width] + 0.5
    pixels = np.array(image, dtype=np.float64)
    for line in lines:
        cover = np.zeros_like(x)
        for (ax, ay, a), (bx, by, b) in zip(line, line[1:]):
            t = np.clip(((x - ax) * (bx - ax) + (y - ay) * (by - ay)) / ((bx - ax) ** 2 + (by - ay) ** 2), 0, 1)
            distance, radius = np.hypot(x - ax - t * (bx - ax), y - ay - t * (by - ay)), (a + t * (b - a)) / 2
            cover = np.maximum(cover, np.minimum(distance + 0.5, radius) - np.maximum(distance - 0.5, -radius))
        pixels += opacity * np.maximum(cover, 0)[:, :, None] * (colour - pixels)
        pixels = np.floor(pixels + 0.5)
    return Image.fromarray(pixels.astype(np.uint8))


def artefacts(inputs):
    image, given = inputs["noise"]
    hairs = [[3.2, 20.5, -30, 40, 35, -20, 2.5, 0.3, 0.9], [30, -2, 100, 25, 0, 60, 0.7, 1, 0.6], [40, 40, 45, 9, 0, 0, 3, 0, 1]]
    dark, light = np.array([20, 14, 12]), np.array([110, 80, 60])
    for chosen in [hairs[:1], hairs, []]:
        out = image
        for x, y, direction, length, first, second, width, shade, opacity in chosen:
            pieces = max(int(np.ceil(length / 8)), 4) * 2
            middles = (np.arange(pieces) + 0.5) / pieces
            turned = np.interp(middles, [0, 0.5, 1], [0, first, first + second])
            steps = np.exp(1j * np.radians(direction + turned)) * length / pieces
            places = np.concatenate([[0], np.cumsum(steps)]) + x + 1j * y
            line = [(z.real, z.imag, w) for z, w in zip(places, np.linspace(width, width / 2, pieces + 1))]
            out = painted(out, [line], dark + shade * (light - dark), opacity)
        case("hair", {}, [number for hair in chosen for number in hair], given, out)
    image, given = inputs["drawing"]
    rulers = [(0, 0.3, 3, 4, 1, 1, 0), (1, 7.5, 4.2, 5, 1.4, 0, 5), (2, 3, 5, 3, 0.6, 2, -9), (3, 9.9, 2.5, 6, 1, 0.5, 0)]
    for side, phase, spacing, length, width, inset, tilt in rulers:
        turn = np.exp(1j * np.radians(90 * side + tilt))  # along the ruler; a quarter turn further are its marks
        middle = [20 + 1j * inset, 40 - inset + 15j, 20 + 1j * (30 - inset), inset + 15j][side]
        lines = []
        for mark in range(-40, 41):
            start = middle + turn * (mark + phase % 1) * spacing
            end = start + turn * 1j * length * {0: 2, 5: 1.5}.get((mark - int(phase)) % 10, 1)
            lines.append([(start.real, start.imag, width), (end.real, end.imag, width)])
        out = painted(image, lines, np.full(3, 15 + 0.5 * 75), 0.8)
        case("ruler", {}, [side, phase, spacing, length, width, inset, tilt, 0.5, 0.8], given, out)


def erasures(inputs):
    image, given = inputs["noise"]

    def erased(boxes, colour):
        out = np.array(image)
        for left, top, right, bottom in boxes:
            out[max(top, 0) : bottom, max(left, 0) : right] = colour
        return Image.fromarray(out)

    # DeVries: y - length // 2 to y + length // 2, clipped.
    for length, centres in [(8, [(0, 0)]), (8, [(36, 28), (20, 3)]), (60, [(5, 5)]), (2, [(18, 14)])]:
        boxes = [(x - length // 2, y - length // 2, x + length // 2, y + length // 2) for x, y in centres]
        draw = [number for centre in centres for number in centre]
        case("cutout", {"size": length, "holes": len(centres)}, draw, given, erased(boxes, 0))
    mean = [124, 116, 104]  # 255 · (0.485, 0.456, 0.406), rounded
    case("random_erasing", {}, [5, 7, 11, 13], given, erased([(5, 7, 16, 20)], mean))
    case("random_erasing", {"fill": 9}, [0, 0, 36, 28], given, erased([(0, 0, 36, 28)], 9))
    case("random_erasing", {}, [], given, image)
    two = erased([(5, 7, 16, 20)], [1, 2, 3])
    two.paste((250, 0, 9), (10, 2, 12, 9))
    case("random_erasing", {"mode": "rand", "count": 2}, [5, 7, 11, 13, 1, 2, 3, 10, 2, 2, 7, 250, 0, 9], given, two)


def clahes(inputs):
    """The lightness alone to the bit (clahe.json); whole images as Albumentations' CLAHE has them."""
    levels = []
    for name, (limit, tiles) in [("noise", (2.0, 4)), ("noise", (1.0, 8)), ("drawing", (4.0, 2)), ("drawing", (3.3, 8)),
                                 ("square", (2.0, 4)), ("tall", (1.5, 3)), ("colours", (40.0, 8)), ("disc", (2.5, 5))]:
        image, given = inputs[name]
        equalizer = cv2.createCLAHE(limit, (tiles, tiles))
        lab = cv2.cvtColor(np.array(image), cv2.COLOR_RGB2LAB)
        grey = lab[:, :, 0].copy()
        lab[:, :, 0] = equalizer.apply(grey)
        size = {"width": image.width, "height": image.height, "clip_limit": limit, "tiles": tiles}
        levels.append(size | {"given": grey.ravel().tolist(), "expected": lab[:, :, 0].ravel().tolist()})
        expected = Image.fromarray(cv2.cvtColor(lab, cv2.COLOR_LAB2RGB))
        case("clahe", {"clip_limit": [1, 40], "tiles": tiles}, [limit], given, expected)
    lines = ",\n".join(json.dumps(level) for level in levels)
    files["clahe.json"] = f'{{"opencv": "{cv2.__version__}", "cases": [\n{lines}\n]}}\n'.encode()


def main():
    rng = np.random.default_rng(SEED)
    levels = rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)
    levels[:8] = levels[:8] // 86 * 85  # few levels: greys, pure colours, equal channels
    images = {
        "noise": noise(rng, 37, 29),
        "drawing": drawing(40, 30),
        "square": noise(rng, 16, 16),
        "tall": noise(rng, 11, 47),
        "line": noise(rng, 6, 1),
        "pixel": noise(rng, 1, 1),
        "colours": Image.fromarray(levels),
    }
    images |= {"speck": noise(rng, 9, 7), "flat": Image.new("RGB", (5, 4), (7, 255, 130))}
    images["dim"] = Image.fromarray(rng.integers(60, [90, 200, 240], (13, 11, 3)).astype(np.uint8))
    y, x = np.mgrid[0:30, 0:34]
    disc = np.array(noise(rng, 34, 30)) // 3 + 120
    images["disc"] = Image.fromarray((disc * ((x - 9) ** 2 + (y - 14) ** 2 < 12**2)[:, :, None]).astype(np.uint8))
    images["wide"] = Image.fromarray(np.where((np.hypot(x - 16, y - 15) < 20)[:, :, None], disc, 70).astype(np.uint8))
    images["red"] = Image.new("RGB", (2, 2), (90, 0, 0))
    inputs = {name: (image, place("given", image)) for name, image in images.items()}
    for make in [resizes, crops, flips, rotations, jitters, erasures, affines, colours, neighbourhoods, automatic, timms, tilts, channels, jpegs]:
        make(inputs)
    noises(rng, inputs)
    elastics(rng, inputs)
    for make in [constancies, views, middles, artefacts, clahes]:
        make(inputs)
    versions = {"pillow": PIL.__version__, "torchvision": torchvision.__version__.split("+")[0]}
    lines = ",\n".join(json.dumps(case) for case in cases)
    head = f'"versions": {json.dumps(versions)}, "spaces": {json.dumps(spaces(37, 29))}'
    files["cases.json"] = f'{{{head}, "cases": [\n{lines}\n]}}\n'.encode()
    if "--check" in sys.argv:
        stale = [name for name, content in files.items() if (OUT / name).read_bytes() != content]
        sys.exit(f"differs: {', '.join(stale)}" if stale else 0)
    for name, content in files.items():
        (OUT / name).write_bytes(content)


main()
