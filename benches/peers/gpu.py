#!/usr/bin/env python
"""Training steps on one GPU: tallow and PyTorch on the same work, each a process of its own, in alternation.

    python benches/peers/gpu.py --tallow target/debug/tallow           all rows; a build with `--features cuda,cudnn`
    python benches/peers/gpu.py --rows resnet18 --steps 20
    python benches/peers/gpu.py --print                                the table of what was measured before

tallow in f32 (strict), with TF32 convolutions and in bf16; PyTorch in f32 (strict), with TF32, in bf16 (autocast) and bf16 compiled, the
last three on channels_last.
What fails (memory, say) is written down as such. Every figure goes to benches/raw/gpu/<row>.jsonl.
"""

import argparse
import datetime
import json
import pathlib
import subprocess
import sys

from run import HERE, KEPT, RAW, ROOT, cell, middle, net, table

# Row: arguments of both.
ROWS = {
    "resnet18_cifar_32_b512": net("resnet18", "cifar", 32, 512),
    "resnet50_224_b256": net("resnet50", "imagenet", 224, 256),
    "convnext_tiny_224_b128": net("convnext_tiny", "imagenet", 224, 128),
    "vit_small_patch16_224_b256": net("vit_small_patch16_224", "imagenet", 224, 256),
    "mobilenet_v3_large_224_b256": net("mobilenet_v3_large", "imagenet", 224, 256),
}
VARIANTS = ["nchw", "tf32", "bf16", "bf16_compiled"]
PRECISIONS = ["f32", "tf32", "bf16"]


def said(command, limit):
    """The figures of a process, or why there are none."""
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=limit)
    except subprocess.TimeoutExpired:
        return {"failed": f"not done in {limit} s"}
    if done.returncode != 0:
        return {"failed": done.stderr.strip().splitlines()[-1][:300] if done.stderr.strip() else f"exit {done.returncode}"}
    figures = json.loads(done.stdout.splitlines()[-1] if "torch_work.py" in map(str, command) else done.stdout)
    return {key: figures[key] for key in KEPT if figures.get(key) not in (None, "")}


def measure(name, options):
    pace = ["--steps", str(options.steps), "--warmup", str(options.warmup)]
    work = ["step", *ROWS[name], *pace]
    ours = [options.tallow.resolve(), "bench", *work, "--device", "cuda:0", "--json", "--precision"]
    commands = {f"tallow_{precision}": [*ours, precision] for precision in PRECISIONS}
    torch = [options.python, str(HERE / "torch_work.py"), *work, "--device", "cuda", "--threads", "8"]
    commands.update({variant: [*torch, "--variant", variant] for variant in options.variants})
    path = RAW / "gpu" / f"{name}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    with open(part, "w") as raw:
        for number in range(options.rounds):
            for who, command in commands.items():
                line = {"round": number + 1, "who": who, "date": str(datetime.date.today()), **said(command, options.limit)}
                raw.write(json.dumps(line) + "\n")
                raw.flush()
                shown = line.get("failed") or f"{line['images_per_second']:.0f} images/s"
                print(f"  {name} round {number + 1} {who}: {shown}", file=sys.stderr)
    part.replace(path)


def rows():
    for name in ROWS:
        path = RAW / "gpu" / f"{name}.jsonl"
        if not path.is_file():
            continue
        found = {}
        for line in map(json.loads, path.read_text().splitlines()):
            found.setdefault(line["who"], []).append(line)
        of = lambda who: middle(found.get(who, []), "images_per_second")
        ours, theirs = [of(f"tallow_{precision}") for precision in PRECISIONS], [of(variant) for variant in VARIANTS]
        # f32, TF32 and bf16 each beside its like, and bf16 beside what is compiled.
        pairs = zip([*ours, ours[2]], theirs)
        ratios = [f"{our / their:.3f}×" if our and their else "–" for our, their in pairs]
        yield [name, *(cell(speed, 0) for speed in [*ours, *theirs]), *ratios]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", nargs="*", default=[""], help="beginnings of their names")
    parser.add_argument("--variants", nargs="*", default=VARIANTS)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--steps", type=int, default=20, help="timed steps of a process")
    parser.add_argument("--warmup", type=int, default=5)
    parser.add_argument("--limit", type=int, default=120, help="seconds that a process may take")
    parser.add_argument("--tallow", type=pathlib.Path, default=ROOT / "target/debug/tallow")
    parser.add_argument("--python", default=sys.executable, help="an interpreter that has PyTorch")
    parser.add_argument("--print", action="store_true", help="measure nothing")
    options = parser.parse_args()
    for name in [] if options.print else [name for name in ROWS if name.startswith(tuple(options.rows))]:
        measure(name, options)
    names = ("f32", "TF32", "bf16", "bf16 compiled")
    head = ["a training step, images/s", *(f"tallow {name}" for name in names[:3]), *(f"torch {name}" for name in names)]
    print("\n".join(table([*head, *(f"to {name}" for name in names)], list(rows()))))


if __name__ == "__main__":
    main()
