"""Golden values of calibration and decisions, of the probabilities in tests/golden/metrics/cases.json.

    python tests/golden/calibrate.py            write tests/golden/metrics/calibrate.json
    python tests/golden/calibrate.py --check    make it again and compare to 1e-7

Versions: Python 3, numpy 2.4.6, scipy 1.17.1, scikit-learn 1.9.1. The temperature by scipy's bounded minimisation of scikit-learn's log loss of
softmax(ln p / T); weights and biases by scipy's BFGS on the penalised loss, whose slope it takes by itself; isotonic functions by scikit-learn's
IsotonicRegression, then divided by their sum as its CalibratedClassifierCV does; thresholds of F1 and sensitivity by
precision_recall_curve; conformal quantiles by numpy's "higher" quantile of the scores.
"""

import json
import math
import sys
from pathlib import Path

import numpy as np
from scipy.optimize import minimize, minimize_scalar
from scipy.special import log_softmax, softmax
from sklearn.isotonic import IsotonicRegression
from sklearn.metrics import log_loss, precision_recall_curve

HERE = Path(__file__).parent / "metrics"
OUT = HERE / "calibrate.json"
NAMES = ["random_7_classes", "random_2_classes", "ties_5_classes", "ties_2_classes", "never_predicted", "absent_from_the_truth", "single_precision"]
TINY = np.finfo(float).tiny


def temperature(y, p, x):
    labels = list(range(p.shape[1]))
    loss = lambda t: log_loss(y, softmax(math.exp(-t) * x, axis=1), labels=labels)
    found = minimize_scalar(loss, bounds=(-9, 9), method="bounded", options={"xatol": 1e-13})
    if abs(found.x) > 8.9:
        return None  # no minimum
    return {"temperature": math.exp(found.x), "log_loss": found.fun}


def vector(y, p, x):
    classes = p.shape[1]
    prior = np.r_[np.ones(classes), np.zeros(classes)]

    def loss(theta):
        scores = x * theta[:classes] + theta[classes:]
        return -log_softmax(scores, axis=1)[np.arange(len(y)), y].sum() + 0.5 * ((theta - prior) ** 2).sum()

    found = minimize(loss, prior, method="BFGS", options={"gtol": 1e-7, "maxiter": 10000})
    return {"loss": found.fun, "probabilities": softmax(x * found.x[:classes] + found.x[classes:], axis=1)}


def isotonic(y, p):
    made = []
    for c in range(p.shape[1]):
        fitted = IsotonicRegression(out_of_bounds="clip", y_min=0, y_max=1).fit(p[:, c], (y == c).astype(float))
        made.append(np.c_[fitted.predict(p[:, c]), fitted.predict(np.sqrt(p[:, c]))])
    known, between = np.array(made).transpose(2, 1, 0)

    def divided(values):
        total = values.sum(axis=1, keepdims=True)
        return np.where(total > 0, values / np.where(total > 0, total, 1), 1 / values.shape[1])

    return {"at_its_own": divided(known), "at_their_roots": divided(between)}


def thresholds(y, p):
    made = []
    for c in range(p.shape[1]):
        if not 0 < (y == c).sum() < len(y):
            made.append(None)
            continue
        precision, recall, at = precision_recall_curve(y == c, p[:, c], drop_intermediate=False)
        precision, recall = precision[:-1], recall[:-1]
        f1 = 2 * precision * recall / np.maximum(precision + recall, TINY)
        best = np.flatnonzero(np.isclose(f1, f1.max(), rtol=1e-12, atol=0))[-1]
        made.append({"f1": at[best], "sensitivity_0.8": at[recall >= 0.8 - 1e-12].max()})
    return made


def sets(y, p):
    own = p[np.arange(len(y)), y]
    scores = {"lac": 1 - own, "aps": np.array([row[row >= one].sum() for row, one in zip(p, own)])}
    level = math.ceil((len(y) + 1) * 0.8 - 1e-9) / len(y)
    return {name: np.quantile(score, level, method="inverted_cdf") for name, score in scores.items()}


def area(y, p):
    confidence, wrong = p.max(axis=1), p.argmax(axis=1) != y
    return np.mean([wrong[confidence >= at].mean() for at in confidence])


def clean(value):
    if isinstance(value, dict):
        return {key: clean(entry) for key, entry in value.items()}
    if isinstance(value, (list, np.ndarray)):
        return [clean(entry) for entry in value]
    return None if value is None else float(value)


def build():
    made = {"made by": "tests/golden/calibrate.py"}
    for case in json.loads((HERE / "cases.json").read_text())[1:]:
        if case["name"] in NAMES:
            y, p = np.array(case["labels"]), np.array([[float(x) for x in row] for row in case["probabilities"]])
            x = np.log(np.maximum(p, TINY))
            values = {"temperature": temperature(y, p, x), "vector": vector(y, p, x), "isotonic": isotonic(y, p)}
            values |= {"thresholds": thresholds(y, p), "sets": sets(y, p), "area_under_risk": area(y, p)}
            made[case["name"]] = clean(values)
    return made


def far(a, b):
    if isinstance(a, dict):
        return max(far(a[key], b[key]) for key in a)
    if isinstance(a, list):
        return max(map(far, a, b), default=0)
    return abs(a - b) if isinstance(a, float) else float(a != b)


if __name__ == "__main__":
    made = build()
    if "--check" in sys.argv[1:]:
        apart = far(made, json.loads(OUT.read_text()))
        if apart > 1e-7:
            sys.exit(f"{OUT}: {apart:.1e} from what is made now; expected 1e-7 at most")
        print(f"{OUT}: {apart:.1e} from what is made now")
    else:
        OUT.write_text(json.dumps(made) + "\n")
        print(f"{OUT}: {OUT.stat().st_size} bytes")
