"""Golden values of further metrics and of intervals by formula, of the probabilities in tests/golden/metrics/cases.json.

    python tests/golden/more_metrics.py            write tests/golden/metrics/more.json
    python tests/golden/more_metrics.py --check    make it again and compare bytes

Versions: Python 3, numpy 2.4.6, scikit-learn 1.9.1, statsmodels 0.15.0. The probabilities are read, not drawn, so that no processor's
exp moves them. From scikit-learn: quadratic kappa, F-beta, the negative predictive value as the precision of "not the class", the
partial area by roc_auc_score(max_fpr=0.1), the sensitivity at a specificity of 0.9 from roc_curve. Classwise and equal-mass calibration errors by numpy, from their definitions. Wilson's
interval from statsmodels. Takahashi's interval of macro F1 by his equation for the variance (section 3.2), which is not the delta method's
form that the crate computes; confidenceinterval 1.0.5 adds where the equation multiplies, and is not used.
"""

import json
import math
import sys
import warnings
from pathlib import Path

import numpy as np
import sklearn
import statsmodels
from scipy.stats import norm
from sklearn import metrics as sk
from statsmodels.stats.proportion import proportion_confint

HERE = Path(__file__).parent / "metrics"
OUT = HERE / "more.json"
BINS = 15
warnings.filterwarnings("ignore")


def mean_of_defined(values):
    values = [value for value in values if not math.isnan(value)]
    return math.fsum(values) / len(values) if values else math.nan


def partial(y, p, classes):
    of = [1] if classes == 2 else range(classes)

    def one(c):
        return sk.roc_auc_score(y == c, p[:, c], max_fpr=0.1) if 0 < (y == c).sum() < len(y) else math.nan

    return mean_of_defined([one(c) for c in of])


def sensitivity(y, p, classes, specificity=0.9):
    """The curve's points are counts: a rate of 0.1 is reached where 1 − 0.9 is a little less."""
    of = [1] if classes == 2 else range(classes)

    def one(c):
        positive = y == c
        if not 0 < positive.sum() < len(y):
            return math.nan
        false, true, _ = sk.roc_curve(positive, p[:, c], drop_intermediate=False)
        return true[1 - false >= specificity - 1e-12].max()

    return mean_of_defined([one(c) for c in of])


def classwise(y, p, classes):
    errors = []
    for c in range(classes):
        edges = np.arange(BINS + 1) / BINS
        bins = np.digitize(p[:, c], edges, right=True).clip(1, BINS)
        errors.append(
            math.fsum(
                (bins == b).mean() * abs((y[bins == b] == c).mean() - p[bins == b, c].mean())
                for b in range(1, BINS + 1)
                if (bins == b).any()
            )
        )
    return math.fsum(errors) / classes


def equal_mass(y, p):
    confidence = p.max(axis=1)
    right = p.argmax(axis=1) == y
    n = len(y)
    # The middle place of each confidence among the sorted ones, in halves.
    middle = [int((confidence < c).sum() * 2 + (confidence == c).sum()) for c in confidence]
    bins = np.array([BINS * m // (2 * n) for m in middle])
    inside = [bins == b for b in range(BINS)]
    return math.fsum(i.mean() * abs(right[i].mean() - confidence[i].mean()) for i in inside if i.any())


def takahashi(y, predicted, classes, level=0.95):
    z = norm.ppf((1 + level) / 2)
    n = len(y)
    micro = (y == predicted).mean()
    half = z * math.sqrt(micro * (1 - micro) / n)
    cells = sk.confusion_matrix(y, predicted, labels=list(range(classes))) / n
    s = cells.sum(axis=0) + cells.sum(axis=1)
    known = [c for c in range(classes) if s[c] > 0]
    f1 = np.array([2 * cells[c, c] / s[c] if s[c] > 0 else 0.0 for c in range(classes)])
    terms = []
    for i in known:
        off = s[i] - 2 * cells[i, i]
        terms.append(f1[i] * off / s[i] ** 2 * (off / s[i] + f1[i] / 2))
        terms += [cells[i, j] * f1[i] * f1[j] / (s[i] * s[j]) for j in known if i != j]
    value = math.fsum(f1) / classes
    wide = z * math.sqrt(2 / classes**2 * math.fsum(terms) / n)
    return {"micro_f1_interval": [micro - half, micro + half], "macro_f1_interval": [value - wide, value + wide]}


def expected(classes, y, p):
    labels = list(range(classes))
    predicted = p.argmax(axis=1)
    fixed = {"labels": labels, "average": "macro", "zero_division": 0}
    npv = [sk.precision_score(y != c, predicted != c, pos_label=True, zero_division=0) for c in labels]
    return {
        "quadratic_kappa": sk.cohen_kappa_score(y, predicted, labels=labels, weights="quadratic"),
        "macro_f2": sk.fbeta_score(y, predicted, beta=2, **fixed),
        "macro_f0_5": sk.fbeta_score(y, predicted, beta=0.5, **fixed),
        "macro_npv": math.fsum(npv) / classes,
        "partial_auroc": partial(y, p, classes),
        "sensitivity_at_90_specificity": sensitivity(y, p, classes),
        "classwise_ece": classwise(y, p, classes),
        "equal_mass_ece": equal_mass(y, p),
        **takahashi(y, predicted, classes),
    }


def clean(value):
    if isinstance(value, dict):
        return {key: clean(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [clean(entry) for entry in value]
    return None if math.isnan(value) else float(value)


def build():
    cases = {}
    for case in json.loads((HERE / "cases.json").read_text())[1:]:
        p = np.array([[float(x) for x in row] for row in case["probabilities"]])
        cases[case["name"]] = clean(expected(case["classes"], np.array(case["labels"]), p))
    wilson = []
    for successes, trials, level in [(7, 10, 0.95), (1, 30, 0.95), (950, 1000, 0.99), (5, 9, 0.5), (0, 12, 0.95), (12, 12, 0.9)]:
        interval = [float(end) for end in proportion_confint(successes, trials, 1 - level, method="wilson")]
        wilson.append({"successes": successes, "trials": trials, "level": level, "interval": interval})
    versions = {"scikit-learn": sklearn.__version__, "statsmodels": statsmodels.__version__}
    made = {"made by": "tests/golden/more_metrics.py", **versions, "wilson": wilson, "cases": cases}
    return json.dumps(made, indent=1) + "\n"


if __name__ == "__main__":
    text = build()
    if "--check" in sys.argv[1:]:
        if OUT.read_text() != text:
            sys.exit(f"{OUT}: differs from what is made now; expected the same bytes")
        print(f"{OUT}: the same bytes")
    else:
        OUT.write_text(text)
        print(f"{OUT}: {len(text)} bytes")
