#!/usr/bin/env python
"""How many planted copies `tallow data check` finds, and what else it tells: copies of real images, made with Pillow.

    python benches/planted.py data/isic2018/ISIC2018_Task3_Training_Input
    python benches/planted.py data/pneumoniamnist.npz --images 600

Takes images of a folder of JPEGs, or of a MedMNIST file: half of them are a training part. The validation part has one copy of each
of these, the kinds in turn, and the other half as strangers. Prints a row for each kind in Markdown, and the pairs that are no copies.
Needs numpy and Pillow.
"""

import argparse
import json
import pathlib
import random
import subprocess
import tempfile

import numpy as np
from PIL import Image, ImageEnhance, ImageOps


def scaled(image, by):
    return image.resize((round(image.width * by), round(image.height * by)), Image.Resampling.BICUBIC)


def cropped(image, *shares):
    left, top, right, bottom = shares
    size = image.width, image.height
    return image.crop((size[0] * left, size[1] * top, size[0] * (1 - right), size[1] * (1 - bottom)))


def lit(image, brightness, contrast):
    return ImageEnhance.Contrast(ImageEnhance.Brightness(image).enhance(brightness)).enhance(contrast)


# Kind: what is done, JPEG quality.
LOOKED_FOR = {
    "JPEG quality 90": (lambda i: i, 90),
    "JPEG quality 70": (lambda i: i, 70),
    "JPEG quality 50": (lambda i: i, 50),
    "resized to 50 %": (lambda i: scaled(i, 0.5), 90),
    "resized to 150 %": (lambda i: scaled(i, 1.5), 90),
    "cut by 2 % a side": (lambda i: cropped(i, 0.02, 0.02, 0.02, 0.02), 90),
    "cut by 3 to 10 % a side": (lambda i: cropped(i, 0.10, 0.03, 0.06, 0.09), 90),
    "mirrored": (ImageOps.mirror, 90),
    "upside down": (ImageOps.flip, 90),
    "turned by 90°": (lambda i: i.transpose(Image.Transpose.ROTATE_90), 90),
    "turned by 180°": (lambda i: i.transpose(Image.Transpose.ROTATE_180), 90),
    "brightness × 1.15, contrast × 0.9": (lambda i: lit(i, 1.15, 0.9), 90),
    "mirrored, cut by 4 %, to 50 %, brightness × 1.1": (lambda i: lit(scaled(cropped(ImageOps.mirror(i), 0.04, 0.04, 0.04, 0.04), 0.5), 1.1, 1), 70),
}  # fmt: skip
BEYOND = {
    "cut by 15 % a side": (lambda i: cropped(i, 0.15, 0.15, 0.15, 0.15), 90),
    "turned by 5°": (lambda i: i.rotate(5, Image.Resampling.BICUBIC), 90),
    "resized to 10 %": (lambda i: scaled(i, 0.1), 90),
}


def pictures(source, count):
    """So many different images, at random: (name, image)."""
    if source.suffix == ".npz":
        pixels = np.unique(np.load(source)["train_images"], axis=0)
        chosen = random.sample(range(len(pixels)), count)
        return [(f"{index:05}", Image.fromarray(pixels[index]).convert("RGB")) for index in chosen]
    files = random.sample(sorted(source.glob("*.jpg")), count)
    return [(path.stem, Image.open(path).convert("RGB")) for path in files]


def plant(folder, source, count):
    """Kind and original of each copy, by name."""
    kinds = {**LOOKED_FOR, **BEYOND}
    copies = {}
    all_pictures = pictures(source, count)
    for index, (name, image) in enumerate(all_pictures):
        known = index < count // 2
        for part in ("train", "validation"):
            (folder / part / "ab"[index % 2]).mkdir(parents=True, exist_ok=True)
        image.save(folder / ("train" if known else "validation") / "ab"[index % 2] / f"{name}.png")
        if known:
            kind = list(kinds)[index % len(kinds)]
            change, quality = kinds[kind]
            copies[f"copy{index}"] = kind, name
            change(image).save(folder / "validation" / "ab"[index % 2] / f"copy{index}.jpg", quality=quality)
    return copies


RECIPE = """data: {{ name: folder, root: {root}, batch: 32 }}
model: {{ name: resnet20, input: 32 }}
optimizer: {{ sgd: {{ momentum: 0.9 }} }}
length: 1 epochs
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=pathlib.Path, help="a folder of JPEGs, or a MedMNIST npz file")
    parser.add_argument("--images", type=int, default=800, help="so many, half of them with a copy")
    parser.add_argument("--tallow", default="target/debug/tallow")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    random.seed(options.seed)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        copies = plant(folder / "set", options.source, options.images)
        (folder / "recipe.yaml").write_text(RECIPE.format(root=folder / "set"))
        command = [options.tallow, "data", "check", folder / "recipe.yaml", "--fresh", "--json"]
        said = subprocess.run(command, capture_output=True, text=True)
        assert said.returncode in (0, 3), said.stderr
        found = json.loads(said.stdout)
    met, others = set(), []
    for group in found["near"] + found["identical"]:
        names = {pathlib.Path(image).stem for image in group}
        own = {name for name in names if name in copies and copies[name][1] in names}
        met |= own
        if names - own - {copies[name][1] for name in own}:
            others.append(sorted(names))
    print(f"{found['images']} images, {found['candidates']} pairs compared closely\n\n| copies | found |\n|---|---|")
    for kinds, note in ((LOOKED_FOR, ""), (BEYOND, " (not looked for)")):
        for kind in kinds:
            planted = [name for name, (of, _) in copies.items() if of == kind]
            print(f"| {kind}{note} | {len(met & set(planted))} of {len(planted)} |")
    print(f"\ntold, and no copies: {len(others)}")
    for group in others:
        print(" ", ", ".join(group))


if __name__ == "__main__":
    main()
