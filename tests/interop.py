"""What `tallow export` wrote gives tallow's logits and probabilities in the library it was written for.

    python tests/interop.py FOLDER VALUES.npy LOGITS.csv
    python tests/interop.py FOLDER IMAGE PREDICTIONS.csv

Runs FOLDER/load.py, which makes `model` by timm, torchvision or onnxruntime, on the normalised values (R, C, H, W), and compares with the
columns of LOGITS.csv (`tallow predict CHECKPOINT VALUES.npy --logits`): max |difference| <= 1e-4 · max(1, max |logit|).

Of an image file, starts `python FOLDER/load.py IMAGE` as a program, and compares its CSV with that of `tallow predict CHECKPOINT IMAGE`:
the same header, the same class, max |difference| of a probability <= TALLOW_TOLERANCE, 1e-3 where that is not set. PNG files are decoded
alike everywhere; JPEG decoders differ by a level or two.
"""

import csv
import os
import pathlib
import runpy
import subprocess
import sys

import numpy as np


def read(lines):
    header, *rows = csv.reader(lines)
    return header, rows


def run(model, images):
    if not hasattr(model, "state_dict"):
        return model(images)
    import torch

    with torch.no_grad():
        return model(torch.from_numpy(images)).numpy()


def compare_logits(folder, values, logits):
    found = run(runpy.run_path(str(pathlib.Path(folder) / "load.py"))["model"], np.load(values))
    with open(logits, newline="") as file:
        _, rows = read(file)
    expected = np.array([[float(cell) for cell in row[-found.shape[1] :]] for row in rows])
    if expected.shape != found.shape:
        sys.exit(f"expected logits {expected.shape}, got {found.shape}")
    worst, scale = np.abs(expected - found).max(), max(1.0, np.abs(expected).max())
    print(f"max |difference| {worst:.2e}, max |logit| {scale:.3f}")
    if not worst <= 1e-4 * scale:
        sys.exit(f"logits differ by {worst}")


def compare_image(folder, image, predictions):
    command = [sys.executable, str(pathlib.Path(folder) / "load.py"), image]
    said = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    header, (row,) = read(said.splitlines())
    with open(predictions, newline="") as file:
        theirs, (expected,) = read(file)
    if header != theirs or row[1] != expected[1]:
        sys.exit(f"expected {theirs}, {expected}, got {header}, {row}")
    worst = max(abs(float(a) - float(b)) for a, b in zip(row[2:], expected[2:], strict=True))
    print(f"max |difference| of a probability {worst:.2e}")
    if not worst <= float(os.environ.get("TALLOW_TOLERANCE", "1e-3")):
        sys.exit(f"probabilities differ by {worst}")


if __name__ == "__main__":
    (compare_logits if sys.argv[2].endswith(".npy") else compare_image)(*sys.argv[1:])
