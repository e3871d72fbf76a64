"""Golden cohesion and separability of classes, by NumPy and scikit-learn.

    python tests/golden/separation.py            write tests/golden/separation/cases.json
    python tests/golden/separation.py --check    make it again and compare bytes

Versions: Python 3, numpy 2.4.6, scikit-learn 1.9.1. Seed 9.

cohesion      mean over classes of the mean of cosine_similarity(point, centroid of its class)
separability  mean over pairs of classes of cosine_distances(centroid, centroid)
silhouette    silhouette_score, Euclidean
"""

import json
import sys
from pathlib import Path

import numpy as np
from sklearn.metrics import silhouette_score
from sklearn.metrics.pairwise import cosine_distances, cosine_similarity

OUT = Path(__file__).parent / "separation" / "cases.json"


def case(points, labels, classes):
    points = np.round(points, 3)
    present = np.unique(labels)
    centroids = np.stack([points[labels == c].mean(0) for c in present])
    within = {int(c): float(cosine_similarity(points[labels == c], centroids[[i]]).mean()) for i, c in enumerate(present)}
    pairs = cosine_distances(centroids)[np.triu_indices(len(present), 1)]
    rounded = lambda value: float(f"{value:.13g}")
    return {
        "classes": classes,
        "labels": labels.tolist(),
        "points": points.ravel().tolist(),
        "cohesion": rounded(np.mean(list(within.values()))),
        "separability": rounded(pairs.mean()),
        "silhouette": rounded(silhouette_score(points, labels)),
        "cohesion_of_classes": [rounded(within[c]) if c in within else None for c in range(classes)],
    }


def document():
    rng = np.random.default_rng(9)
    labels = rng.integers(0, 3, 30)
    yield case(rng.normal(size=(30, 5)) + 2 * np.eye(5)[labels], labels, 3)
    # Of four classes one is absent and one has a single point; values of a relu.
    labels = np.array([0] * 11 + [1] + [3] * 8)
    yield case(np.maximum(rng.normal(size=(20, 7)) + np.eye(7)[labels], 0), labels, 4)
    # Far from the origin.
    labels = np.arange(24) % 2
    yield case(100 + rng.normal(size=(24, 4)) + np.eye(4)[labels], labels, 2)


def main():
    text = json.dumps(list(document()), separators=(",", ":")).replace("},{", "},\n{") + "\n"
    if "--check" in sys.argv:
        if OUT.read_text() != text:
            sys.exit(f"{OUT}: differs from what this script makes")
        print(f"{OUT.name}: as made")
        return
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(text)


main()
