#!/usr/bin/env python3
"""Hashes of what the programs compute: for a change that must not move a bit.

    python3 tests/same_results.py record before.json --programs ../before/target/debug --root ../before
    python3 tests/same_results.py record after.json
    python3 tests/same_results.py compare before.json after.json

`record` runs small trainings, and a preview, a replay and the statistics of every preset, and writes the SHA-256 of each result.
Bits differ between processors: record both on one machine. Of a weights file the tensors are hashed (names, types, shapes, bytes)
without its metadata, which name the commit; of JSON what is left without times. `--isic` names a folder of ISIC 2018: without it
the run on it is left out, and said so. Needs Python 3.9 alone. About 2 minutes on 2 cores.
"""

import argparse
import hashlib
import json
import os
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

TIMES = {"milliseconds", "seconds", "images_per_second", "time", "version", "commit"}


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def tensors(path: Path) -> str:
    """Of a safetensors file: every tensor in the order of the names."""
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    header.pop("__metadata__", None)
    hashed = hashlib.sha256()
    for name in sorted(header):
        entry = header[name]
        begin, end = entry["data_offsets"]
        hashed.update(json.dumps([name, entry["dtype"], entry["shape"]]).encode())
        hashed.update(data[8 + length + begin : 8 + length + end])
    return hashed.hexdigest()


def timeless(value):
    """JSON without its times."""
    if isinstance(value, dict):
        return {key: timeless(inner) for key, inner in value.items() if key not in TIMES}
    if isinstance(value, list):
        return [timeless(inner) for inner in value]
    return value


def lines(text: str) -> str:
    """Of one JSON object, or of one a line."""
    try:
        objects = [json.loads(text)]
    except json.JSONDecodeError:
        objects = [json.loads(line) for line in text.splitlines() if line.strip()]
    return digest(json.dumps(timeless(objects)).encode())


class Programs:
    def __init__(self, folder: Path, root: Path, scratch: Path):
        self.folder, self.root, self.scratch = folder, root, scratch
        self.recipe = root / "tests/tiny.yaml"

    def run(self, program: str, *arguments: str) -> str:
        command = [str(self.folder / program), *map(str, arguments)]
        done = subprocess.run(command, cwd=self.scratch, capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"{' '.join(command)}\nended with {done.returncode}:\n{done.stderr}")
        return done.stdout

    def train(self, name: str, recipe: Path, *overrides: str) -> dict:
        out = self.scratch / name
        self.run("train", recipe, *overrides, "--out", str(out))
        found = {f"{name} last/model": tensors(out / "last/model.safetensors")}
        found[f"{name} metrics.jsonl"] = lines((out / "metrics.jsonl").read_text())
        found[f"{name} predictions.csv"] = digest((out / "predictions.csv").read_bytes())
        return found


def presets(root: Path) -> list:
    return sorted(path.stem for path in (root / "policies").glob("*.yaml"))


def previews(programs: Programs) -> dict:
    found = {}
    for preset in presets(programs.root):
        picture = programs.scratch / f"{preset}.png"
        programs.run("tallow", "preview", programs.recipe, f"policy={preset}", "--out", picture)
        several = sorted(programs.scratch.glob(f"{preset}.png")) or sorted(programs.scratch.glob(f"{preset}_[0-9].png"))
        for path in several:
            found[f"preview {path.name}"] = digest(path.read_bytes())
    images = "images=[{crop: {padding: 2}}, {random_erasing: {p: 0.7}}, {cutout: {}}, {color_jitter: {brightness: 0.3, hue: 0.1}}, {rotate: 20}]"
    programs.run("tallow", "preview", programs.recipe, images, "policy=none", "--out", programs.scratch / "images.png")
    found["preview image policies"] = digest((programs.scratch / "images.png").read_bytes())
    return found


def statistics(programs: Programs) -> dict:
    found = {}
    for preset in presets(programs.root):
        said = programs.run("tallow", "stats", programs.recipe, f"policy={preset}", "--batches", "3", "--json")
        found[f"stats {preset}"] = lines(said)
    return found


def replays(programs: Programs) -> dict:
    """Two steps of training under each preset, and the first of them once more."""
    found = {}
    for preset in presets(programs.root):
        name = f"run_{preset}"
        found.update(programs.train(name, programs.recipe, f"policy={preset}", "length=2 steps"))
        kept = programs.scratch / f"{name}.safetensors"
        said = programs.run(
            "tallow", "replay", programs.scratch / name, "--step", "1", "--json",
            "--tensors", kept, "--out", programs.scratch / f"{name}.png",
        )
        found[f"replay {preset} json"] = lines(said)
        found[f"replay {preset} tensors"] = tensors(kept)
        for path in sorted(programs.scratch.glob(f"{name}*.png")):
            found[f"replay {path.name}"] = digest(path.read_bytes())
    return found


def networks(programs: Programs) -> dict:
    """Three steps of one network of each kind."""
    found = {}
    for model, side in [
        ("resnet18", 32), ("resnet18d", 32), ("resnext50_32x4d", 32), ("preact_resnet18", 32), ("resnet110", 32), ("vgg11_bn", 32),
        ("mobilenet_v2", 32), ("mobilenet_v3_small", 32), ("efficientnet_b0", 32), ("densenet121", 32), ("convnext_tiny", 32),
        ("swin_t", 64), ("vit_tiny_patch16_224", 224),
    ]:
        sizes = [f"model={{ name: {model}, input: {side}{', stem: cifar' if model == 'resnet18' else ''} }}", f"data.size={side}",
                 "data.batch=8", f"images=[{{flip: {{}}}}]", f"evaluation=[{{resize: [{side}, {side}]}}]", "data.images=48"]
        found.update(programs.train(f"net_{model}", programs.recipe, *sizes, "length=3 steps"))
    return found


def trainings(programs: Programs) -> dict:
    found = {}
    quick = "length=6 steps"
    recipe = programs.root / "recipes/quickstart.yaml"
    for name, overrides in {
        "accumulation": ["accumulate=3", "policy=cutmix_zeta_mixup", quick],
        "ema": ["ema={ decay: 0.9 }", quick],
        "input_gradient": ["policy=saliencymix_gradient", quick],
        "augmix": ["images=[ { augmix: {} } ]", quick],
        "adamw": ["optimizer={ adamw: {} }", "clip=1.0", quick],
        "focal": ["loss={ focal: 2 }", quick],
        "synermix": ["policy=synermix", quick],
        "ramps": ["branches=[ { policies: [ { zeta_mixup: { gamma: { from: 4, to: 2.8 } }, p: { from: 0, to: 1 } } ] } ]", quick],
    }.items():
        found.update(programs.train(name, recipe, *overrides))
    return found


def quickstart(programs: Programs) -> dict:
    return programs.train("quickstart", programs.root / "recipes/quickstart.yaml")


PARTS = {"train": trainings, "networks": networks, "preview": previews, "stats": statistics, "replay": replays, "quickstart": quickstart}


def record(arguments) -> None:
    root = arguments.root.resolve()
    programs = (arguments.programs or root / "target/debug").resolve()
    found = {}
    with tempfile.TemporaryDirectory() as scratch:
        desk = Programs(programs, root, Path(scratch))
        for part in arguments.only or PARTS:
            print(part, file=sys.stderr)
            found.update(PARTS[part](desk))
        if arguments.isic and not arguments.only:
            print("isic2018", file=sys.stderr)
            recipe = root / "recipes/isic2018_small_synermix_manifold.yaml"
            isic = arguments.isic.resolve()
            split = [f"data.split.file={isic / 'split.csv'}"] if (isic / "split.csv").exists() and arguments.split else []
            found.update(desk.train("isic2018_small_synermix_manifold", recipe, f"data.root={isic}", "length=3 steps", *split))
        elif not arguments.only:
            print("isic2018 is left out: --isic FOLDER", file=sys.stderr)
    arguments.out.write_text(json.dumps(found, indent=1) + "\n")
    print(f"{arguments.out}: {len(found)} hashes", file=sys.stderr)


def compare(arguments) -> None:
    before, after = (json.loads(path.read_text()) for path in (arguments.before, arguments.after))
    both = sorted(before.keys() & after.keys())
    apart = [name for name in both if before[name] != after[name]]
    for name in apart:
        print(f"differs: {name}")
    for name in sorted(before.keys() ^ after.keys()):
        print(f"only {'before' if name in before else 'after'}: {name}")
    print(f"{len(both) - len(apart)} of {len(both)} are the same to the bit")
    sys.exit(bool(apart) or not both or before.keys() != after.keys())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("record", help="run everything and write the hashes")
    command.add_argument("out", type=Path)
    command.add_argument("--root", type=Path, default=Path(__file__).parent.parent, help="the repository whose recipes are run")
    command.add_argument("--programs", type=Path, help="the folder of `train` and `tallow` [ROOT/target/debug]")
    command.add_argument("--isic", type=Path, help="a folder of ISIC 2018")
    command.add_argument("--split", action="store_true", help="take the split of its split.csv")
    command.add_argument("--only", nargs="+", choices=PARTS, help="some parts alone")
    command.set_defaults(act=record)
    command = commands.add_parser("compare", help="exit 1 where two records differ")
    command.add_argument("before", type=Path)
    command.add_argument("after", type=Path)
    command.set_defaults(act=compare)
    arguments = parser.parse_args()
    arguments.act(arguments)


if __name__ == "__main__":
    os.environ.setdefault("NO_COLOR", "1")
    main()
