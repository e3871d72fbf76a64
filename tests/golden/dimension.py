"""Golden local dimensions, by scikit-dimension's local PCA.

    python tests/golden/dimension.py            write tests/golden/dimension/
    python tests/golden/dimension.py --check    make it again and compare bytes

Versions: Python 3, numpy 2.4.6, scikit-dimension 0.5.0 (BSD-3-Clause), scikit-learn 1.9.1. Seed 8.

Points are float32 files (N, D), computed with in float64. `pointwise` is lPCA().fit_pw(points, n_neighbors=k), defaults
otherwise (ver="FO", alphaFO=0.05). `near` lists the points of which an eigenvalue is within 1e-6 of 0.05 of the largest:
there, rounding may decide.
"""

import io
import json
import sys
from pathlib import Path

import numpy as np
import skdim
from sklearn.decomposition import PCA
from sklearn.neighbors import NearestNeighbors

OUT = Path(__file__).parent / "dimension"
NEIGHBOURS = (8, 128)


def sets(rng):
    """A curve, a plane region with noise, three directions bent into forty, and more coordinates than points."""
    t = 10 * np.pi * rng.random(300)
    yield "helix", np.stack([100 * np.cos(t), 100 * np.sin(t), t], axis=1)
    angle = np.pi * rng.random(240)
    side = np.arange(240) % 2
    moons = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    moons[side == 1] = [1, 0.5] - moons[side == 1]
    yield "moons", moons + 0.1 * rng.normal(size=moons.shape)
    place, turn = rng.random((250, 3)), rng.normal(size=(3, 40))
    yield "bent", np.sin(2 * place @ turn) + 0.02 * rng.normal(size=(250, 40))
    place, turn = rng.random((150, 5)), rng.normal(size=(5, 160))
    yield "wide", 20 + np.tanh(place @ turn) + 0.05 * rng.normal(size=(150, 160))


def near(points, k):
    _, chosen = NearestNeighbors(n_neighbors=k).fit(points).kneighbors()
    spectra = [PCA().fit(points[rows]).explained_variance_ for rows in chosen]
    return [at for at, s in enumerate(spectra) if np.min(np.abs(s / s[0] - 0.05)) < 1e-6]


def files():
    rng = np.random.default_rng(8)
    cases = []
    for name, points in sets(rng):
        points = points.astype(np.float32)
        buffer = io.BytesIO()
        np.save(buffer, points)
        yield f"{name}.npy", buffer.getvalue()
        points = points.astype(np.float64)
        for k in NEIGHBOURS:
            found = skdim.id.lPCA().fit_pw(points, n_neighbors=k, n_jobs=1).dimension_pw_
            pointwise = [int(d) for d in found]
            cases.append({"points": name, "neighbours": k, "pointwise": pointwise, "near": near(points, k)})
    lines = ",\n".join(json.dumps(case) for case in cases)
    yield "cases.json", f"[\n{lines}\n]\n".encode()


def main():
    check = "--check" in sys.argv[1:]
    OUT.mkdir(exist_ok=True)
    wrong = []
    for name, content in files():
        path = OUT / name
        if not check:
            path.write_bytes(content)
        elif not path.exists() or path.read_bytes() != content:
            wrong.append(name)
    if wrong:
        sys.exit(f"differ: {', '.join(wrong)}")


main()
