"""Golden points of ROC, precision–recall and calibration curves, of the probabilities in tests/golden/metrics/cases.json.

    python tests/golden/curves.py            write tests/golden/metrics/curves.json
    python tests/golden/curves.py --check    make it again and compare bytes

Versions: Python 3, numpy 2.4.6, scikit-learn 1.9.1. The probabilities are read, not drawn, so that no processor's exp moves them.
roc_curve leaves out collinear points (its default), precision_recall_curve none (its default); calibration_curve is of the largest
probability and of being right, in 15 bins of equal width, and of the bins that hold images. Curves that scikit-learn warns of,
without positives or negatives, are null.
"""

import json
import sys
import warnings
from pathlib import Path

import numpy as np
import sklearn
from sklearn.calibration import calibration_curve
from sklearn.metrics import precision_recall_curve, roc_curve

HERE = Path(__file__).parent / "metrics"
OUT = HERE / "curves.json"
BINS = 15
warnings.filterwarnings("ignore")


def numbers(values):
    return [None if np.isinf(value) else float(value) for value in values]


def of_class(y, p, c):
    hits = (y == c).sum()
    roc = precision_recall = None
    if 0 < hits < len(y):
        rates = roc_curve(y == c, p[:, c])
        roc = dict(zip(("false_positive_rate", "true_positive_rate", "threshold"), map(numbers, rates)))
    if hits:
        points = precision_recall_curve(y == c, p[:, c])
        precision_recall = dict(zip(("precision", "recall", "threshold"), map(numbers, points)))
    return {"roc": roc, "precision_recall": precision_recall}


def build():
    cases = {}
    for case in json.loads((HERE / "cases.json").read_text())[1:]:
        y = np.array(case["labels"])
        p = np.array([[float(x) for x in row] for row in case["probabilities"]])
        right, confidence = calibration_curve(p.argmax(axis=1) == y, p.max(axis=1), n_bins=BINS, pos_label=True)
        cases[case["name"]] = {
            "classes": [of_class(y, p, c) for c in range(case["classes"])],
            "calibration": {"right": numbers(right), "confidence": numbers(confidence)},
        }
    head = f'{{"made by": "tests/golden/curves.py", "scikit-learn": "{sklearn.__version__}", "cases": {{\n'
    lines = [f"{json.dumps(name)}: {json.dumps(case, separators=(',', ':'))}" for name, case in cases.items()]
    return head + ",\n".join(lines) + "\n}}\n"


if __name__ == "__main__":
    text = build()
    if "--check" in sys.argv[1:]:
        if OUT.read_text() != text:
            sys.exit(f"{OUT}: differs from what is made now; expected the same bytes")
        print(f"{OUT}: the same bytes")
    else:
        OUT.write_text(text)
        print(f"{OUT}: {len(text)} bytes")
