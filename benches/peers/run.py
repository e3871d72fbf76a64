#!/usr/bin/env python
"""tallow and PyTorch on the same work, in alternation: rounds of (tallow, each variant of PyTorch), each a process of its own.

    cargo build --bin tallow
    python benches/peers/run.py                                   all rows that need no data
    python benches/peers/run.py --isic data/isic2018              with the epoch from JPEG files
    python benches/peers/run.py --rows step eval_resnet50 --rounds 5

Needs the packages of requirements.txt. Prints a table of ratios, in Markdown, and writes every figure to a file of JSON
lines under benches/raw/. A figure is the median over the rounds of each process's own median over its repetitions.
"""

import argparse
import datetime
import json
import os
import pathlib
import statistics
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
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
    "eval_resnet50_224_b32": (["eval", *net("resnet50", "imagenet", 224, 32)],) * 2 + (LAYOUTS,),
    "mix_zeta_mixup_32x3x224": mixing("zeta_mixup", "32,3,224,224", "einsum", "matmul"),
    "mix_mixup_32x3x224": mixing("mixup", "32,3,224,224", "plain"),
    "mix_zeta_mixup_128x3x32": mixing("zeta_mixup", "128,3,32,32", "einsum", "matmul"),
    "mix_mixup_128x3x32": mixing("mixup", "128,3,32,32", "plain"),
    "mix_mixup_256x3x224": mixing("mixup", "256,3,224,224", "torchvision_v2"),
    "mix_cutmix_256x3x224": mixing("cutmix", "256,3,224,224", "torchvision_v2"),
    "epoch_isic2018_64_b64": (["epoch"], ["epoch", *net("resnet18", "imagenet", 64, 64)], LAYOUTS[:2]),
}
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


def measure(name, options, raw):
    """Figures of all rounds: {"tallow" or variant: [figures, …]}."""
    ours, theirs, variants = ROWS[name]
    pace = [] if ours[0] in ("mix", "epoch") else ["--steps", str(options.steps), "--warmup", str(options.warmup)]
    found = {variant: [] for variant in ["tallow", *variants]}
    for number in range(options.rounds):
        for who in found:
            if who != "tallow":
                command = [options.python, HERE / "torch_work.py", *theirs, *pace, "--variant", who]
                command += ["--threads", str(options.threads)]
                if ours[0] == "epoch":
                    images = found["tallow"][0]["images"]
                    command += ["--root", str(options.isic.resolve()), "--images", str(images)]
            elif ours[0] == "epoch":
                recipe = ["recipes/isic2018_small_none.yaml", f"data.root={options.isic.resolve()}", "data.workers=2"]
                command = [options.tallow.resolve(), "bench", "epoch", *recipe, "--json"]
            else:
                command = [options.tallow.resolve(), "bench", *ours, *pace, "--json"]
            figures = said(command, options.threads)
            found[who].append(figures)
            line = {"row": name, "round": number + 1, "who": who, **figures}
            raw.write(json.dumps(line) + "\n")
            raw.flush()
            speed = figures.get("images_per_second")
            shown = f"{speed:.1f} images/s" if speed else f"{figures['milliseconds']:.2f} ms"
            print(f"  {name} round {number + 1} {who}: {shown}", file=sys.stderr)
    return found


def middle(figures, key):
    values = [row[key] for row in figures if key in row]
    return statistics.median(values) if values else None


def cell(value, digits):
    return "–" if value is None else f"{value:,.{digits}f}"


def networks_table(found):
    lines = [
        "| work, images per second | tallow | torch NCHW | channels_last | bf16 | to best fp32 | to bf16 | share of peak "
        "| MB: tallow | torch | ratio |",
        "|" + "---|" * 11,
    ]
    for name, rows in found.items():
        ours = middle(rows["tallow"], "images_per_second")
        theirs = {variant: middle(rows[variant], "images_per_second") for variant in rows if variant != "tallow"}
        best = max(theirs["nchw"], theirs["channels_last"])
        bf16 = theirs.get("bf16")
        memory = middle(rows["tallow"], "peak_rss_bytes")
        peer = min(middle(rows[variant], "peak_rss_bytes") for variant in ("nchw", "channels_last"))
        share = middle(rows["tallow"], "share_of_peak")
        cells = [
            name,
            cell(ours, 1),
            *(cell(theirs.get(variant), 1) for variant in LAYOUTS),
            f"**{ours / best:.2f}×**",
            f"{ours / bf16:.2f}×" if bf16 else "–",
            f"{share:.0%}" if share else "–",
            cell(memory / 1e6, 0),
            cell(peer / 1e6, 0),
            f"{memory / peer:.2f}×",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def mixes_table(found):
    lines = ["| mix, milliseconds | tallow | PyTorch | faster by | GB/s | share of bandwidth |", "|" + "---|" * 6]
    for name, rows in found.items():
        ours = middle(rows["tallow"], "milliseconds")
        theirs = {variant: middle(rows[variant], "milliseconds") for variant in rows if variant != "tallow"}
        cells = [
            name,
            cell(ours, 2),
            ", ".join(f"{variant} {value:.2f}" for variant, value in theirs.items()),
            ", ".join(f"**{value / ours:.2f}×**" for value in theirs.values()),
            cell(middle(rows["tallow"], "gb_per_second"), 1),
            f"{middle(rows['tallow'], 'share_of_bandwidth'):.0%}",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", nargs="*", default=[""], help="beginnings of their names; all by default")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=5, help="timed steps of a process")
    parser.add_argument("--warmup", type=int, default=2)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--isic", type=pathlib.Path, help="folder of ISIC 2018 Task 3, for the epoch row")
    parser.add_argument("--tallow", type=pathlib.Path, default=ROOT / "target/debug/tallow")
    parser.add_argument("--python", default=sys.executable, help="an interpreter that has PyTorch")
    parser.add_argument("--raw", type=pathlib.Path, help="file of JSON lines [default: benches/raw/<date>.jsonl]")
    options = parser.parse_args()
    names = [name for name in ROWS if any(name.startswith(row) for row in options.rows)]
    if options.isic is None:
        names = [name for name in names if not name.startswith("epoch")]
    if not names:
        sys.exit(f"no row begins with {' or '.join(options.rows)}; rows: {', '.join(ROWS)} (epoch needs --isic)")
    path = options.raw or HERE.parent / "raw" / f"{datetime.date.today()}.jsonl"
    path.parent.mkdir(exist_ok=True)
    with open(path, "w") as raw:
        found = {name: measure(name, options, raw) for name in names}
    nets = {name: rows for name, rows in found.items() if not name.startswith("mix")}
    mixes = {name: rows for name, rows in found.items() if name.startswith("mix")}
    lines = (networks_table(nets) if nets else []) + [""] + (mixes_table(mixes) if mixes else [])
    print("\n".join(lines).strip())
    machine = [row["tallow"] for row in found.values()]
    peaks = [figures for rows in machine for figures in rows]
    peak, bandwidth = middle(peaks, "machine_gflops"), middle(peaks, "machine_gb_per_second")
    if bandwidth:
        print(f"\n{options.threads} threads, {options.rounds} rounds; ", end="")
        print(f"product peak {cell(peak, 0)} GFLOP/s, bandwidth {cell(bandwidth, 1)} GB/s; raw: {path}")


if __name__ == "__main__":
    main()
