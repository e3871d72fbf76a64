#!/usr/bin/env python
"""Runs exported networks in onnxruntime and compares their logits with those that were recorded beside them.

    python tests/golden/onnxruntime_logits.py FOLDER

FOLDER holds NAME.onnx and NAME.json: {"shape": [R, C, H, W], "images": […], "logits": […]}. Prints a line for each with the
largest difference over the largest logit; ends with 1 where one is above 1e-4, with 77 where onnxruntime is not installed.
Made with onnxruntime 1.31 and onnx 1.23; where onnx is installed, its checker reads each file too.
"""

import json
import pathlib
import sys

try:
    import numpy as np
    import onnxruntime
except ImportError as error:
    print(error)
    sys.exit(77)
try:
    import onnx
except ImportError:
    onnx = None

wrong = 0
for path in sorted(pathlib.Path(sys.argv[1]).glob("*.onnx")):
    if onnx:
        onnx.checker.check_model(str(path), full_check=True)
    pair = json.loads(path.with_suffix(".json").read_text())
    images = np.array(pair["images"], np.float32).reshape(pair["shape"])
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    logits = session.run(["logits"], {"images": images})[0]
    expected = np.array(pair["logits"], np.float32).reshape(len(images), -1)
    assert logits.shape == expected.shape, (path.stem, logits.shape, expected.shape)
    difference = float(np.abs(logits - expected).max() / np.abs(expected).max())
    wrong += not difference < 1e-4
    print(f"{path.stem}: {difference:.1e}", session.get_modelmeta().custom_metadata_map)
sys.exit(wrong > 0)
