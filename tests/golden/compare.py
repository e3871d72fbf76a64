"""Golden values of comparisons: DeLong's test by its definition, McNemar's and Holm's by statsmodels.

    python tests/golden/compare.py            write tests/golden/metrics/compare.json
    python tests/golden/compare.py --check    make it again and compare bytes

Versions: Python 3, numpy 2.4.6, scipy 1.17.1, scikit-learn 1.9.1, statsmodels 0.15.0, confidenceinterval 1.0.5. Seed 21.

DeLong's covariance is computed from all pairs of a positive and a negative (O(m n), no ranks), as the paper defines it, and its
variance of one curve is asserted to be that of confidenceinterval. Of several classes the area is the mean of the one-vs-rest
areas, and an image's influence is the mean of its influences. With groups the influences of a group are summed (Obuchowski 1997).
"""

import json
import math
import sys
from pathlib import Path

import numpy as np
from confidenceinterval.delong import delong_roc_variance
from scipy import stats
from sklearn.metrics import roc_auc_score
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests

SEED = 21
OUT = Path(__file__).parent / "metrics" / "compare.json"


def softmax(logits):
    # The C library's exp: numpy's own differs in the last bit from one processor to another.
    exp = np.vectorize(math.exp)(logits - logits.max(axis=1, keepdims=True))
    return exp / np.array([[math.fsum(row)] for row in exp])


def pair(rng, n, classes, skill, decimals=None):
    """Labels, and the probabilities of two runs that are wrong about much the same images."""
    labels = np.concatenate([np.arange(classes).repeat(2), rng.integers(classes, size=n - 2 * classes)])
    shared = rng.normal(size=(n, classes))
    runs = []
    for better in skill:
        logits = 0.7 * shared + 0.7 * rng.normal(size=(n, classes))
        logits[np.arange(n), labels] += better
        p = softmax(logits)
        if decimals is not None:
            p = np.floor(p * 2**decimals) / 2**decimals
            p[np.arange(n), rng.integers(classes, size=n)] += 1 - p.sum(axis=1)
        runs.append(p)
    return labels, *runs


def side(kernel, groups, axis):
    """The influence of each group through its positives (rows) or negatives (columns), DeLong's divisor included."""
    placements = kernel.mean(axis=1 - axis) - kernel.mean()
    holding = np.unique(groups)
    scale = np.sqrt(len(holding) / (len(holding) - 1)) / len(groups)
    return {g: scale * placements[groups == g].sum() for g in holding}


def influences(y, p, groups):
    classes = p.shape[1]
    of = [1] if classes == 2 else range(classes)
    total = np.zeros(groups.max() + 1)
    for c in of:
        x, z = p[y == c, c], p[y != c, c]
        kernel = (x[:, None] > z[None, :]) + 0.5 * (x[:, None] == z[None, :])
        for axis, own in ((0, groups[y == c]), (1, groups[y != c])):
            for group, value in side(kernel, own, axis).items():
                total[group] += value / len(of)
    return total


def auroc(y, p):
    of = [1] if p.shape[1] == 2 else range(p.shape[1])
    return float(np.mean([roc_auc_score(y == c, p[:, c]) for c in of]))


def delong(y, a, b, groups):
    influence_a, influence_b = influences(y, a, groups), influences(y, b, groups)
    variance_a, variance_b = math.fsum(influence_a**2), math.fsum(influence_b**2)
    covariance = math.fsum(influence_a * influence_b)
    if a.shape[1] == 2 and len(set(groups)) == len(y):
        for p, got in ((a, variance_a), (b, variance_b)):
            area, variance = delong_roc_variance((y == 1).astype(int), p[:, 1])
            # Its midranks are single precision.
            assert abs(area - auroc(y, p)) < 1e-6 and abs(variance / got - 1) < 1e-5, (area, variance, got)
    error = np.sqrt(variance_a + variance_b - 2 * covariance)
    difference = auroc(y, b) - auroc(y, a)
    return {
        "a": auroc(y, a),
        "b": auroc(y, b),
        "variance_a": float(variance_a),
        "variance_b": float(variance_b),
        "covariance": float(covariance),
        "standard_error": float(error),
        "p": float(2 * stats.norm.sf(abs(difference / error))),
    }


def expected(y, a, b, groups):
    right_a, right_b = a.argmax(axis=1) == y, b.argmax(axis=1) == y
    only_a, only_b = int((right_a & ~right_b).sum()), int((right_b & ~right_a).sum())
    both, neither = int((right_a & right_b).sum()), int((~right_a & ~right_b).sum())
    table = [[both, only_a], [only_b, neither]]

    def difference(x, z, axis=-1):
        return x.mean(axis=axis) - z.mean(axis=axis)

    exact = stats.permutation_test(
        (right_b.astype(float), right_a.astype(float)),
        difference,
        permutation_type="samples",
        n_resamples=200_000,
        rng=np.random.default_rng(SEED),
        vectorized=True,
    )
    return {
        "delong": delong(y, a, b, np.arange(len(y))),
        "delong_by_group": delong(y, a, b, groups),
        "mcnemar": {"only_a": only_a, "only_b": only_b, "p": float(mcnemar(table, exact=True).pvalue)},
        "permutation_of_accuracy": float(exact.pvalue),
    }


def build():
    rng = np.random.default_rng(SEED)
    cases = [
        ("two_classes", 2, pair(rng, 80, 2, (1.0, 1.6))),
        ("two_classes_with_ties", 2, pair(rng, 60, 2, (0.7, 1.0), decimals=3)),
        ("three_classes", 3, pair(rng, 90, 3, (1.0, 1.4))),
        ("seven_classes_with_ties", 7, pair(rng, 120, 7, (1.2, 1.2), decimals=3)),
    ]
    p = [0.01, 0.04, 0.03, 0.005, 0.2, 0.9, 0.04]
    holm = {"p": p, "corrected": multipletests(p, method="holm")[1].tolist()}
    parts = [json.dumps({"made by": "tests/golden/compare.py", "seed": SEED, "holm": holm})]
    for name, classes, (y, a, b) in cases:
        groups = rng.integers(len(y) // 3, size=len(y))
        text = [[[repr(float(x)) for x in row] for row in run] for run in (a, b)]
        parts.append(
            json.dumps(
                {
                    "name": name,
                    "classes": classes,
                    "labels": y.tolist(),
                    "groups": groups.tolist(),
                    "a": text[0],
                    "b": text[1],
                    "expected": expected(y, a, b, groups),
                },
                separators=(",", ":"),
            )
        )
    return "[\n" + ",\n".join(parts) + "\n]\n"


if __name__ == "__main__":
    text = build()
    if "--check" in sys.argv[1:]:
        if OUT.read_text() != text:
            sys.exit(f"{OUT}: differs from what is made now; expected the same bytes")
        print(f"{OUT}: the same bytes")
    else:
        OUT.parent.mkdir(exist_ok=True)
        OUT.write_text(text)
        print(f"{OUT}: {len(text)} bytes")
