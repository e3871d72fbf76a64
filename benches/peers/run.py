#!/usr/bin/env python
"""tallow and PyTorch on the same work, in alternation: rounds of (tallow, each variant of PyTorch), each a process of its own.

    cargo build --bin tallow
    python benches/peers/run.py                                   all rows that need no data
    python benches/peers/run.py --isic data/isic2018              with the epoch from JPEG files
    python benches/peers/run.py --rows step eval_resnet50 --rounds 5
    python benches/peers/run.py --rows zoo/ --rounds 1 --steps 3  a step of every network of the zoo; 35 minutes
    python benches/peers/run.py --print                           the tables of what was measured before

Needs the packages of requirements.txt. Every figure goes to benches/raw/<row>.jsonl, one line for each process; the tables of
ratios, in Markdown, are made from all files there. A figure is the median over the rounds of each process's own median over
its repetitions.
"""

import argparse
import atexit
import datetime
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
RAW = HERE.parent / "raw"
LAYOUTS = ["nchw", "channels_last", "bf16"]


def net(model, stem, size, batch):
    return f"--model {model} --stem {stem} --input {size} --batch {batch}".split()


def mixing(policy, shape, *variants):
    # Milliseconds each: many repetitions cost nothing.
    both = ["mix", policy, "--shape", shape, "--steps", "31", "--warmup", "5"]
    return (both, both, variants)


# Row: arguments of tallow, arguments of torch_work.py, variants of PyTorch. The first of a mix is how its authors write it.
ROWS = {
    "step_resnet18_cifar_32_b128": (["step", *net("resnet18", "cifar", 32, 128)],) * 2 + (LAYOUTS,),
    "step_resnet50_224_b16": (["step", *net("resnet50", "imagenet", 224, 16)],) * 2 + (LAYOUTS,),
    "step_resnet18_64_b64": (["step", *net("resnet18", "imagenet", 64, 64)],) * 2 + (LAYOUTS,),
    "step_mobilenet_v3_large_224_b16": (["step", *net("mobilenet_v3_large", "imagenet", 224, 16)],) * 2 + (LAYOUTS,),
    "step_swin_t_224_b16": (["step", *net("swin_t", "imagenet", 224, 16)],) * 2 + (LAYOUTS,),
    "step_vit_small_patch16_224_b16": (["step", *net("vit_small_patch16_224", "imagenet", 224, 16)],) * 2 + (LAYOUTS,),
    "step_convnext_tiny_224_b16": (["step", *net("convnext_tiny", "imagenet", 224, 16)],) * 2 + (LAYOUTS,),
    "eval_resnet50_224_b32": (["eval", *net("resnet50", "imagenet", 224, 32)],) * 2 + (LAYOUTS,),
    "mix_zeta_mixup_32x3x224": mixing("zeta_mixup", "32,3,224,224", "einsum", "matmul"),
    "mix_dirichlet_mixup_32x3x224": mixing("dirichlet_mixup", "32,3,224,224", "einsum", "matmul"),
    "mix_mixup_32x3x224": mixing("mixup", "32,3,224,224", "plain", "torchvision_v2"),
    "mix_cutmix_32x3x224": mixing("cutmix", "32,3,224,224", "torchvision_v2"),
    "mix_resizemix_32x3x224": mixing("resizemix", "32,3,224,224", "nearest", "antialiased"),
    "mix_fmix_32x3x224": mixing("fmix", "32,3,224,224", "numpy"),
    "mix_smoothmix_32x3x224": mixing("smoothmix", "32,3,224,224", "plain"),
    "mix_gridmix_32x3x224": mixing("gridmix", "32,3,224,224", "plain"),
    "mix_gridmixup_32x3x224": mixing("gridmixup", "32,3,224,224", "plain"),
    "mix_saliencymix_32x3x224": mixing("saliencymix", "32,3,224,224", "numpy"),
    "mix_zeta_mixup_128x3x32": mixing("zeta_mixup", "128,3,32,32", "einsum", "matmul"),
    "mix_mixup_128x3x32": mixing("mixup", "128,3,32,32", "plain"),
    "mix_mixup_256x3x224": mixing("mixup", "256,3,224,224", "torchvision_v2"),
    "mix_cutmix_256x3x224": mixing("cutmix", "256,3,224,224", "torchvision_v2"),
    "load_jpeg_600x450_to_224": (["load"], ["load", "--input", "224"], ["pillow", "torchvision_io"]),
    "epoch_isic2018_64_b64": (["epoch"], ["epoch", *net("resnet18", "imagenet", 64, 64)], LAYOUTS[:2]),
}
def zoo(options):
    """zoo/NAME: a step of every network there is, at its own size; batches of 8, for CIFAR of 128."""
    listed = json.loads(subprocess.check_output([options.tallow, "list", "models", "--json"], text=True))
    rows = {}
    for spec in listed:
        stem, batch = ("cifar", 128) if spec["input"] == 32 else ("imagenet", 8)
        rows[f"zoo/{spec['name']}"] = (["step", *net(spec["name"], stem, spec["input"], batch)],) * 2 + (LAYOUTS[:2],)
    return rows


KEPT = [
    "images_per_second", "step_seconds", "forward_seconds", "backward_seconds", "optimizer_seconds", "milliseconds",
    "seconds", "waiting_seconds", "images", "peak_rss_bytes", "flops", "gflops", "machine_gflops", "share_of_peak",
    "gb_per_second", "machine_gb_per_second", "share_of_bandwidth", "threads", "warmup", "steps", "commit", "torch",
    "torchvision", "variant",
]  # fmt: skip


def said(command, threads):
    names = ["RAYON_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"]
    environment = {**os.environ, **{name: str(threads) for name in names}}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stderr}")
    figures = json.loads(done.stdout)
    return {key: figures[key] for key in KEPT if figures.get(key) not in (None, "")}


JPEGS = 400
LOADING = """data: {{ name: folder, root: {root}, batch: 32, workers: 0 }}
model: {{ name: resnet18 }}
images: [ {{ random_resized_crop: {{}} }} ]
evaluation: [ {{ resize: [224, 224] }} ]
policy: none
optimizer: {{ sgd: {{}} }}
schedule: {{ constant: {{ lr: 0.1 }} }}
length: 1 epochs
"""


def jpegs():
    """A folder with pictures of 600 x 450, smooth with a little noise, and a recipe that reads them."""
    import numpy as np
    from PIL import Image

    folder = pathlib.Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, folder)
    random = np.random.default_rng(1)
    for part, count in [("train", JPEGS), ("validation", 2)]:
        for number in range(count):
            place = folder / "images" / part / "ab"[number % 2]
            place.mkdir(parents=True, exist_ok=True)
            coarse = Image.fromarray(random.integers(0, 256, (9, 12, 3), dtype=np.uint8))
            smooth = np.asarray(coarse.resize((600, 450), Image.Resampling.BICUBIC), dtype=np.int16)
            noisy = (smooth + random.integers(-8, 9, smooth.shape)).clip(0, 255).astype(np.uint8)
            Image.fromarray(noisy).save(place / f"{number}.jpg", quality=90)
    recipe = folder / "recipe.yaml"
    recipe.write_text(LOADING.format(root=folder / "images"))
    return folder / "images" / "train", recipe


def commands(name, options):
    """{"tallow" or variant: command}, and the threads of the row."""
    ours, theirs, variants = options.work[name]
    tallow, torch = [options.tallow.resolve(), "bench"], [options.python, HERE / "torch_work.py", *theirs]
    if ours[0] == "load":
        images, recipe = jpegs()
        tallow += ["load", recipe]
        torch += ["--root", images, "--threads", "1"]
    elif ours[0] == "epoch":
        root = options.isic.resolve()
        tallow += ["epoch", "recipes/isic2018_small_none.yaml", f"data.root={root}", "data.workers=2"]
        torch += ["--root", root, "--threads", str(options.threads)]
    else:
        pace = [] if ours[0] == "mix" else ["--steps", str(options.steps), "--warmup", str(options.warmup)]
        tallow += [*ours, *pace]
        torch += [*pace, "--threads", str(options.threads)]
    found = {"tallow": [*tallow, "--json"]}
    found.update({variant: [*torch, "--variant", variant] for variant in variants})
    return found, 1 if ours[0] == "load" else options.threads


def measure(name, options):
    """Rounds of all who take part, into the row's file."""
    lines, threads = commands(name, options)
    images = None
    # Renamed whole, so that a run cut short leaves the figures that were there.
    kept, part = RAW / f"{name}.jsonl", RAW / f"{name}.part"
    kept.parent.mkdir(exist_ok=True)
    with open(part, "w") as raw:
        for number in range(options.rounds):
            for who, command in lines.items():
                if who != "tallow" and name.startswith("epoch"):
                    command = [*command, "--images", images]
                figures = said(command, threads)
                images = str(figures.get("images", images))
                line = {"round": number + 1, "who": who, "date": str(datetime.date.today()), **figures}
                raw.write(json.dumps(line) + "\n")
                raw.flush()
                speed = figures.get("images_per_second")
                shown = f"{speed:.1f} images/s" if speed else f"{figures['milliseconds']:.2f} ms"
                print(f"  {name} round {number + 1} {who}: {shown}", file=sys.stderr)
    part.replace(kept)


def measured(names):
    """{row: {who: [figures, …]}} of the files there are."""
    found = {}
    for name in names:
        path = RAW / f"{name}.jsonl"
        for line in path.read_text().splitlines() if path.is_file() else []:
            figures = json.loads(line)
            found.setdefault(name, {}).setdefault(figures["who"], []).append(figures)
    return found


def middle(figures, key):
    values = [row[key] for row in figures if key in row]
    return statistics.median(values) if values else None


def machine(found, key):
    """What the machine can do: the best that any process of tallow measured, one figure for a whole table."""
    values = [row[key] for figures in found.values() for row in figures["tallow"] if key in row]
    return max(values, default=None)


def cell(value, digits):
    return "–" if value is None else f"{value:,.{digits}f}"


def table(head, rows):
    return ["| " + " | ".join(head) + " |", "|" + "---|" * len(head), *("| " + " | ".join(row) + " |" for row in rows), ""]


def networks(found):
    head = ["work, images/s", "tallow", "torch NCHW", "channels_last", "bf16", "to best fp32", "to bf16", "product limit"]
    head += ["of it", "MB: tallow", "torch", "ratio"]
    rows = []
    peak = machine(found, "machine_gflops")
    for name, figures in found.items():
        ours = middle(figures["tallow"], "images_per_second")
        theirs = [middle(figures.get(variant, []), "images_per_second") for variant in LAYOUTS]
        best, bf16 = max(theirs[:2]), theirs[2]
        memory = middle(figures["tallow"], "peak_rss_bytes")
        peer = min(middle(figures[variant], "peak_rss_bytes") for variant in LAYOUTS[:2])
        rate = middle(figures["tallow"], "gflops")
        share = rate / peak if rate else None
        rows.append(
            [
                name,
                cell(ours, 1),
                *(cell(speed, 1) for speed in theirs),
                f"**{ours / best:.2f}×**",
                f"{ours / bf16:.2f}×" if bf16 else "–",
                cell(ours / share, 0) if share else "–",
                f"{share:.0%}" if share else "–",
                cell(memory / 1e6, 0),
                cell(peer / 1e6, 0),
                f"{memory / peer:.2f}×",
            ]
        )
    return table(head, rows)


def every_network(found):
    rows = []
    peak = machine(found, "machine_gflops")
    for name, figures in found.items():
        ours = middle(figures["tallow"], "images_per_second")
        theirs = {variant: middle(figures[variant], "images_per_second") for variant in LAYOUTS[:2]}
        best = max(theirs, key=theirs.get)
        memory, peer = (middle(figures[who], "peak_rss_bytes") for who in ("tallow", best))
        share = middle(figures["tallow"], "gflops") / peak
        ratio = f"**{ours / theirs[best]:.2f}×**"
        rows.append(
            [name[4:], cell(ours, 1), cell(theirs[best], 1), best, ratio, f"{share:.0%}", f"{memory / peer:.2f}×"]
        )
    return table(["network, images/s", "tallow", "PyTorch", "its layout", "ratio", "of the peak", "memory"], rows)


def mixes(found):
    rows = []
    bandwidth = machine(found, "machine_gb_per_second")
    for name, figures in found.items():
        ours = middle(figures["tallow"], "milliseconds")
        theirs = {who: middle(runs, "milliseconds") for who, runs in figures.items() if who != "tallow"}
        share = middle(figures["tallow"], "gb_per_second") / bandwidth
        peers = ", ".join(f"{who} {value:.2f}" for who, value in theirs.items())
        faster = ", ".join(f"**{value / ours:.2f}×**" for value in theirs.values())
        rows.append([name, cell(ours, 2), peers, faster, cell(ours * share, 2), f"{share:.0%}"])
    return table(["mix, milliseconds", "tallow", "PyTorch", "faster by", "bandwidth limit", "of it"], rows)


def loads(found):
    rows = []
    for name, figures in found.items():
        ours = middle(figures["tallow"], "images_per_second")
        theirs = {who: middle(runs, "images_per_second") for who, runs in figures.items() if who != "tallow"}
        peers = ", ".join(f"{who} {value:.0f}" for who, value in theirs.items())
        rows.append([name, cell(ours, 0), peers, ", ".join(f"**{ours / value:.2f}×**" for value in theirs.values())])
    return table(["one thread, images/s", "tallow", "PyTorch", "faster by"], rows)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", nargs="*", default=[""], help="beginnings of their names; by default all but zoo/")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=5, help="timed steps of a process")
    parser.add_argument("--warmup", type=int, default=2)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--isic", type=pathlib.Path, help="folder of ISIC 2018 Task 3, for the epoch row")
    parser.add_argument("--tallow", type=pathlib.Path, default=ROOT / "target/debug/tallow")
    parser.add_argument("--python", default=sys.executable, help="an interpreter that has PyTorch")
    parser.add_argument("--print", action="store_true", help="measure nothing")
    options = parser.parse_args()
    options.work = {**ROWS, **zoo(options)}
    names = [name for name in options.work if any(name.startswith(row) for row in options.rows)]
    if options.rows == [""]:
        names = list(ROWS)
    if options.isic is None:
        names = [name for name in names if not name.startswith("epoch")]
    if not names:
        sys.exit(f"no row begins with {' or '.join(options.rows)}; rows: {', '.join(options.work)} (epoch needs --isic)")
    RAW.mkdir(exist_ok=True)
    for name in [] if options.print else names:
        measure(name, options)
    found = measured(options.work)
    of = lambda *kinds: {name: rows for name, rows in found.items() if name.startswith(kinds)}
    kinds = [(("step", "eval", "epoch"), networks), (("zoo",), every_network), (("mix",), mixes), (("load",), loads)]
    for part, make in [(of(*names), make) for names, make in kinds]:
        if part:
            print("\n".join(make(part)))
    peak, bandwidth = machine(of("step", "eval"), "machine_gflops"), machine(of("mix"), "machine_gb_per_second")
    print(f"product peak {cell(peak, 0)} GFLOP/s, bandwidth {cell(bandwidth, 1)} GB/s")


if __name__ == "__main__":
    main()
