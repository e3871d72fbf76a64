"""The metrics of many predictions by tallow and by scikit-learn: the same numbers, seconds and peak memory, in alternation.

    cargo build -p tallow-metrics --example large
    python benches/peers/metrics.py [--images 10000000] [--classes 7] [--rounds 3]

Each measurement is a process of its own. The clock runs from the arrays in memory to the last metric; the peak is of the whole
process (ru_maxrss). tallow computes `Summary`: accuracy, F1 (micro, macro, weighted), balanced accuracy, precision, recall and
specificity, per class too, AUROC and average precision (of each class, macro, weighted), log loss, Brier score, calibration error,
Matthews' correlation, kappa, confusion. scikit-learn computes the same by its own functions, each area once for each class, from
which the means follow; what it lacks (the calibration error, the Brier score of several classes before 1.8) numpy does. On two or more
cores tallow uses them; scikit-learn's metrics use one.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
BINS = 15


def make(path, images, classes):
    """Labels as bytes, then softmax probabilities as float32, in parts, so that this process stays small."""
    rng = np.random.default_rng(0)
    parts = [min(1_000_000, images - begin) for begin in range(0, images, 1_000_000)]
    labels = rng.integers(0, classes, images, dtype=np.uint8)
    with open(path, "wb") as file:
        file.write(labels.tobytes())
        begin = 0
        for part in parts:
            logits = rng.standard_normal((part, classes), dtype=np.float32)
            logits[np.arange(part), labels[begin : begin + part]] += 1.5
            p = np.exp(2 * logits, dtype=np.float32)
            file.write((p / p.sum(1, keepdims=True)).astype("<f4").tobytes())
            begin += part


def of_sklearn(path, images, classes):
    from sklearn import metrics as sk

    y = np.fromfile(path, np.uint8, images).astype(np.int64)
    p = np.fromfile(path, "<f4", images * classes, offset=images).reshape(images, classes)
    start = time.perf_counter()
    names = np.arange(classes)
    predicted = p.argmax(1)
    out = {
        "accuracy": sk.accuracy_score(y, predicted),
        "balanced_accuracy": sk.balanced_accuracy_score(y, predicted),
        "mcc": sk.matthews_corrcoef(y, predicted),
        "kappa": sk.cohen_kappa_score(y, predicted),
        "log_loss": sk.log_loss(y, p, labels=names),
        "confusion": sk.confusion_matrix(y, predicted, labels=names).tolist(),
    }
    for average in ["micro", "macro", "weighted"]:
        precision, recall, f1, _ = sk.precision_recall_fscore_support(
            y, predicted, labels=names, average=average, zero_division=0
        )
        out |= {f"{average}_f1": f1}
        if average == "macro":
            out |= {"macro_precision": precision, "macro_recall": recall}
    of_class = [(y == c, p[:, c]) for c in names]
    roc = [sk.roc_auc_score(*one) for one in of_class]
    precision = [sk.average_precision_score(*one) for one in of_class]
    support = np.bincount(y, minlength=classes)
    out["auroc"], out["auroc_weighted"] = np.mean(roc), np.average(roc, weights=support)
    out["average_precision"] = np.mean(precision)
    out["average_precision_weighted"] = np.average(precision, weights=support)
    square = p.astype(np.float64)
    square[np.arange(images), y] -= 1
    out["brier"] = np.einsum("ic,ic->", square, square) / images
    confidence = p.max(1).astype(np.float64)
    bins = np.digitize(confidence, np.arange(1, BINS) / BINS, right=True)
    gaps = np.bincount(bins, (predicted == y) - confidence, BINS)
    out["ece"] = np.abs(gaps).sum() / images
    seconds = time.perf_counter() - start
    out = {name: value if isinstance(value, list) else float(value) for name, value in out.items()}
    print(json.dumps({"seconds": seconds, "metrics": out}))


def measured(command):
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        said = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{command[0]} ended with {process.returncode}")
    return json.loads(said) | {"mb": usage.ru_maxrss / 1024, "cpu": usage.ru_utime + usage.ru_stime}


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--images", type=int, default=10_000_000)
    arguments.add_argument("--classes", type=int, default=7)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--sklearn", metavar="FILE", help="one measurement, for this program itself")
    a = arguments.parse_args()
    if a.sklearn:
        return of_sklearn(a.sklearn, a.images, a.classes)
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "predictions.bin")
        make(path, a.images, a.classes)
        size = [str(a.images), str(a.classes)]
        large = ROOT / "target/debug/examples/large"
        commands = {
            "tallow": [str(large), path, *size],
            "scikit-learn": [sys.executable, __file__, "--sklearn", path, "--images", size[0], "--classes", size[1]],
        }
        found = {name: [] for name in commands}
        for _ in range(a.rounds):
            for name, command in commands.items():
                found[name].append(measured(command))
    print(f"{a.images:,} images of {a.classes} classes, {a.rounds} rounds, medians")
    print("| | seconds | CPU seconds, with reading | peak, MB |\n|---|---:|---:|---:|")
    for name, runs in found.items():
        seconds, cpu, mb = (float(np.median([run[key] for run in runs])) for key in ["seconds", "cpu", "mb"])
        print(f"| {name} | {seconds:.1f} | {cpu:.1f} | {mb:,.0f} |")
    ours, theirs = (found[name][0]["metrics"] for name in commands)
    assert ours["confusion"] == theirs["confusion"], "the confusions differ"
    differ = {name: abs(ours[name] - value) for name, value in theirs.items() if name != "confusion"}
    worst = max(differ, key=differ.get)
    print(f"{len(differ)} metrics and the confusion agree; the largest difference is {differ[worst]:.1e}, of {worst}")
    assert differ[worst] < 1e-6, "the metrics differ"


if __name__ == "__main__":
    main()
