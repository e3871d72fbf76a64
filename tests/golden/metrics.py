"""Golden values of the metrics, made by scikit-learn; the calibration error, which it lacks, by numpy.

    python tests/golden/metrics.py            write tests/golden/metrics/cases.json
    python tests/golden/metrics.py --check    make it again and compare bytes

Versions: Python 3, numpy 2.4.6, scikit-learn 1.9.1 (BSD-3-Clause), scipy 1.x only through it. Seed 20.

Probabilities are strings (Python's repr, the shortest text of the same double), so that no JSON reader rounds them.
Expected values are JSON numbers, null where scikit-learn gives NaN. Three rules pin down what scikit-learn leaves to
its caller: labels = the list of classes; zero_division = 0; macro and weighted AUROC over the classes where it is
defined. Where every class is present the script asserts that scikit-learn's own averages say the same.
"""

import json
import math
import sys
import warnings
from pathlib import Path

import numpy as np
import sklearn
from sklearn import metrics as sk

SEED = 20
OUT = Path(__file__).parent / "metrics" / "cases.json"
warnings.filterwarnings("ignore")


def softmax(logits):
    exp = np.exp(logits - logits.max(axis=1, keepdims=True))
    return exp / exp.sum(axis=1, keepdims=True)


def random(rng, n, classes, skill, decimals=None, present=None):
    """n labels of `present` classes; probabilities that know them as well as `skill` says."""
    present = list(range(classes)) if present is None else present
    labels = rng.choice(present, size=n)
    logits = rng.normal(size=(n, classes))
    logits[np.arange(n), labels] += skill
    p = softmax(logits)
    if decimals is not None:  # ties; eighths are exact, so that rows sum to 1
        p = np.floor(p * 2**decimals) / 2**decimals
        p[np.arange(n), rng.integers(classes, size=n)] += 1 - p.sum(axis=1)
    return labels, p


def cases(rng):
    yield "random_7_classes", 7, *random(rng, 150, 7, 1.5)
    yield "random_2_classes", 2, *random(rng, 80, 2, 1.0)
    yield "random_3_classes_without_skill", 3, *random(rng, 60, 3, 0.0)
    yield "ties_5_classes", 5, *random(rng, 120, 5, 1.0, decimals=3)
    yield "ties_2_classes", 2, *random(rng, 60, 2, 0.7, decimals=2)
    yield "absent_from_the_truth", 6, *random(rng, 60, 6, 1.0, present=[0, 2, 3])
    labels, p = random(rng, 40, 4, 1.0)
    p[:, 2] = 0.0
    yield "never_predicted", 4, labels, p / p.sum(axis=1, keepdims=True)
    labels, p = random(rng, 40, 5, 1.0, present=[0, 1, 4])
    p[:, 3] = 0.0
    yield "absent_from_both", 5, labels, p / p.sum(axis=1, keepdims=True)
    yield "two_of_four_present", 4, *random(rng, 40, 4, 1.0, present=[1, 3])
    yield "one_class_of_three_in_the_truth", 3, *random(rng, 20, 3, 0.5, present=[1])
    yield "one_class_of_three_all_right", 3, *random(rng, 10, 3, 50.0, present=[2])
    yield "one_class_of_three_all_wrong", 3, np.zeros(6, int), np.tile([0.25, 0.5, 0.25], (6, 1))
    yield "binary_only_zeros", 2, *random(rng, 12, 2, 0.5, present=[0])
    yield "binary_only_ones", 2, *random(rng, 12, 2, 0.5, present=[1])
    yield "single_image_right", 3, np.array([1]), np.array([[0.25, 0.5, 0.25]])
    yield "single_image_wrong", 3, np.array([0]), np.array([[0.25, 0.5, 0.25]])
    yield "constant_scores", 4, rng.integers(4, size=30), np.tile([0.125, 0.375, 0.375, 0.125], (30, 1))
    yield "uniform_scores", 4, rng.integers(4, size=20), np.full((20, 4), 0.25)
    yield "certain_and_right", 3, np.arange(12) % 3, np.eye(3)[np.arange(12) % 3]
    yield "certain_and_wrong", 3, np.arange(12) % 3, np.eye(3)[(np.arange(12) + 1) % 3]
    yield "one_hot_of_some", 4, (labels := rng.integers(4, size=50)), np.eye(4)[np.where(rng.random(50) < 0.6, labels, 0)]
    labels, p = random(rng, 40, 2, 1.0)
    p[:, 1] **= 20  # one side crowded near 0
    p[:, 0] = 1 - p[:, 1]
    yield "binary_crowded", 2, labels, p
    # Single precision: rows sum to 1 within 1e-7.
    labels, p = random(rng, 60, 8, 1.0)
    yield "single_precision", 8, labels, p.astype(np.float32).astype(np.float64)


def ece(y, p, bins=15):
    """Guo et al. 2017, equation 3: bins of equal width, closed above, of the largest probability."""
    confidence, right = p.max(axis=1), p.argmax(axis=1) == y
    # edges i/15: the last is 1, and confidence is above 0
    bin = np.digitize(confidence, np.arange(bins + 1) / bins, right=True).clip(1, bins)
    inside = [bin == b for b in range(1, bins + 1)]
    return sum(i.mean() * abs(right[i].mean() - confidence[i].mean()) for i in inside if i.any())


def expected(classes, y, p):
    labels = list(range(classes))
    predicted = p.argmax(axis=1)
    fixed = {"labels": labels, "zero_division": 0}
    out = {"confusion": sk.confusion_matrix(y, predicted, labels=labels).tolist()}
    out["accuracy"] = sk.accuracy_score(y, predicted)
    for average in ("micro", "macro", "weighted"):
        precision, recall, f1, _ = sk.precision_recall_fscore_support(y, predicted, average=average, **fixed)
        out |= {f"{average}_precision": precision, f"{average}_recall": recall, f"{average}_f1": f1}
    out["balanced_accuracy"] = sk.balanced_accuracy_score(y, predicted)
    out["mcc"] = sk.matthews_corrcoef(y, predicted)
    out["kappa"] = sk.cohen_kappa_score(y, predicted, labels=labels)
    out["log_loss"] = sk.log_loss(y, p, labels=labels)
    out["brier"] = sk.brier_score_loss(y, p, labels=labels)
    out["ece"] = ece(y, p)

    precision, recall, f1, support = sk.precision_recall_fscore_support(y, predicted, average=None, **fixed)
    specificity = [sk.recall_score(y != c, predicted != c, pos_label=True, zero_division=0) for c in labels]
    auroc = np.array([sk.roc_auc_score(y == c, p[:, c]) for c in labels])
    ap = np.array([sk.average_precision_score(y == c, p[:, c]) for c in labels])
    out["macro_specificity"] = np.mean(specificity)
    out["per_class"] = {
        "precision": precision.tolist(),
        "recall": recall.tolist(),
        "specificity": [float(x) for x in specificity],
        "f1": f1.tolist(),
        "support": support.tolist(),
        "auroc": auroc.tolist(),
        "average_precision": ap.tolist(),
    }

    if classes == 2:
        # The score of class 1, as roc_auc_score and average_precision_score want it; averages do not exist.
        out["auroc"] = out["auroc_weighted"] = auroc[1]
        out["average_precision"] = out["average_precision_weighted"] = ap[1]
        if len(set(y)) == 2:
            assert auroc[1] == sk.roc_auc_score(y, p[:, 1]) and ap[1] == sk.average_precision_score(y, p[:, 1])
    else:
        defined = ~np.isnan(auroc)
        out["auroc"] = auroc[defined].mean() if defined.any() else math.nan
        weights = support[defined]
        out["auroc_weighted"] = np.average(auroc[defined], weights=weights) if weights.sum() else math.nan
        indicator = (y[:, None] == np.arange(classes)).astype(int)
        out["average_precision"] = sk.average_precision_score(indicator, p, average="macro")
        out["average_precision_weighted"] = sk.average_precision_score(indicator, p, average="weighted")
        if len(set(y)) == classes:
            for name, average in (("auroc", "macro"), ("auroc_weighted", "weighted")):
                whole = sk.roc_auc_score(y, p, multi_class="ovr", average=average, labels=labels)
                assert abs(out[name] - whole) < 1e-14, (name, out[name], whole)
        elif len(set(y)) > 1:  # scikit-learn's weighted average skips absent classes by itself
            whole = sk.roc_auc_score(y, p, multi_class="ovr", average="weighted", labels=labels)
            assert abs(out["auroc_weighted"] - whole) < 1e-14
    if classes > 2:
        for k in (2, 3, 5):
            out[f"top_{k}_accuracy"] = sk.top_k_accuracy_score(y, p, k=k, labels=labels)
    return out


def clean(value):
    if isinstance(value, dict):
        return {key: clean(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [clean(entry) for entry in value]
    if isinstance(value, (int, np.integer)):
        return int(value)
    return None if math.isnan(value) else float(value)


def build():
    parts = []
    for name, classes, y, p in cases(np.random.default_rng(SEED)):
        rows = ",\n".join("   " + json.dumps([repr(float(x)) for x in row], separators=(",", ":")) for row in p)
        parts.append(
            f' {{"name": {json.dumps(name)}, "classes": {classes},\n'
            f'  "labels": {json.dumps([int(x) for x in y], separators=(",", ":"))},\n'
            f'  "probabilities": [\n{rows}],\n'
            f'  "expected": {json.dumps(clean(expected(classes, y, p)))}}}'
        )
    head = json.dumps({"made by": "tests/golden/metrics.py", "scikit-learn": sklearn.__version__, "seed": SEED})
    return "[\n" + ",\n".join([" " + head, *parts]) + "\n]\n"


if __name__ == "__main__":
    text = build()
    if "--check" in sys.argv[1:]:
        if OUT.read_text() != text:
            sys.exit(f"{OUT}: differs from what scikit-learn {sklearn.__version__} gives; expected the same bytes")
        print(f"{OUT}: the same bytes")
    else:
        OUT.parent.mkdir(exist_ok=True)
        OUT.write_text(text)
        print(f"{OUT}: {len(text)} bytes")
