#!/usr/bin/env python3
"""A sweep that is ended again and again comes to the same table as one that is not.

    python3 tests/interrupted.py recipes/pneumoniamnist_resnet18.yaml data.path=data/pneumoniamnist.npz data.split.replace=true \\
        model.name=resnet20 model.stem=null 'length=2 epochs' policy=none,mixup --seeds 3 --folds 5

Runs `tallow sweep` with these words twice: once to its end, then once more, ended after random steps by SIGKILL and SIGTERM in turn, and
gone on with by the same command. Compares the report, and of every cell the predictions and the tensors of its checkpoints. Prints
how far each life came. Needs Python 3.9 alone.
"""

import argparse
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from same_results import tensors

ROOT = Path(__file__).resolve().parent.parent


def done(folder: Path) -> int:
    return len(list(folder.rglob("cell.json")))


def steps(folder: Path) -> int:
    """Lines of all logs: one for each step, and for each epoch."""
    return sum(path.read_bytes().count(b"\n") for path in folder.rglob("metrics.jsonl"))


def contents(folder: Path) -> dict:
    """What must be the same: reports, predictions, tensors."""
    found = {name: (folder / name).read_bytes() for name in ("sweep.json", "sweep.md")}
    for path in sorted(folder.rglob("predictions.csv")):
        found[str(path.relative_to(folder))] = path.read_bytes()
    for path in sorted(folder.rglob("model.safetensors")):
        found[str(path.relative_to(folder))] = tensors(path)
    return found


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--program", default=ROOT / "target/debug/tallow", type=Path)
    arguments.add_argument("--times", default=10, type=int, help="how often it is ended (10)")
    arguments.add_argument("--draw", default=1, type=int, help="the seed of the steps after which it is ended (1)")
    asked, words = arguments.parse_known_args()
    rng = random.Random(asked.draw)
    with tempfile.TemporaryDirectory() as place:
        whole, ended = Path(place, "whole"), Path(place, "ended")
        command = [asked.program, "sweep", *words, "--out"]
        began = time.monotonic()
        subprocess.run([*command, whole], check=True, stderr=subprocess.DEVNULL)
        seconds = time.monotonic() - began
        cells = done(whole)
        print(f"\n{cells} cells, to their end: {seconds:.0f} s\n")
        every = steps(whole)
        for life, at in enumerate(sorted(rng.sample(range(1, every), asked.times)), 1):
            how = (signal.SIGTERM, signal.SIGKILL)[life % 2]
            process = subprocess.Popen([*command, ended], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            while process.poll() is None and steps(ended) < at:
                time.sleep(0.1)
            if process.poll() is not None:
                sys.exit(f"the sweep ended by itself in life {life}, with {steps(ended)} of {every} lines")
            process.send_signal(how)
            process.wait()
            print(f"{life:>2}  {how.name} after line {at:>6} of {every}: {done(ended)} of {cells} cells done", flush=True)
        subprocess.run([*command, ended], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        one, two = contents(whole), contents(ended)
        differ = [name for name in sorted(one.keys() | two.keys()) if one.get(name) != two.get(name)]
        if differ:
            sys.exit(f"{len(differ)} of {len(one)} differ: {', '.join(differ[:5])}")
        print(f"\nthe same: {len(one)} files (reports, predictions, tensors)")


if __name__ == "__main__":
    main()
