"""What `tallow export` wrote gives tallow's logits in the library it was written for.

    python tests/interop.py FOLDER VALUES.npy LOGITS.csv

Runs FOLDER/load.py, which makes `model` by timm, torchvision or onnxruntime, on the normalised values (R, C, H, W), and compares with the
columns of LOGITS.csv (`tallow predict CHECKPOINT VALUES.npy --logits`): max |difference| <= 1e-4 · max(1, max |logit|).
"""

import csv
import pathlib
import runpy
import sys

import numpy as np


def run(model, images):
    if not hasattr(model, "state_dict"):
        return model(images)
    import torch

    with torch.no_grad():
        return model(torch.from_numpy(images)).numpy()


def main(folder, values, logits):
    found = run(runpy.run_path(str(pathlib.Path(folder) / "load.py"))["model"], np.load(values))
    with open(logits, newline="") as file:
        rows = list(csv.reader(file))[1:]
    expected = np.array([[float(cell) for cell in row[-found.shape[1] :]] for row in rows])
    if expected.shape != found.shape:
        sys.exit(f"expected logits {expected.shape}, got {found.shape}")
    worst, scale = np.abs(expected - found).max(), max(1.0, np.abs(expected).max())
    print(f"max |difference| {worst:.2e}, max |logit| {scale:.3f}")
    if not worst <= 1e-4 * scale:
        sys.exit(f"logits differ by {worst}")


if __name__ == "__main__":
    main(*sys.argv[1:])
