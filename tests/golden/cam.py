#!/usr/bin/env python
"""Golden class activation maps, made with pytorch-grad-cam 1.5.7 on PyTorch 2.15, torchvision 0.29 and timm 1.0, fp64 on the CPU.

    python tests/golden/cam.py            writes tests/golden/cam/cam.safetensors
    python tests/golden/cam.py --check    makes it again and compares bytes

Networks and images are those of models.py, in evaluation mode: the first two images, of which the first is asked about class 1 and the
second about class 3. `<network>.<tap>.<method>` (2, rows, columns) are the maps before they are scaled, cut at 0.
`resnet18.stage2.over` is the first map of resnet18.stage2.gradcam at 21 by 30 pixels (bilinear, half-pixel centres: PyTorch's
`interpolate`), divided by its largest value.

pytorch-grad-cam adds 1e-6 to the denominator of Grad-CAM++'s alphas, beside squares of gradients that may be smaller: its map then
depends on the scale of the logit, which the paper's equation 19 does not. Its class is used here with that number at 0.
"""

import argparse
import inspect
import pathlib
import sys

import numpy as np
import torch
import torch.nn.functional as F
from pytorch_grad_cam import GradCAM, HiResCAM, grad_cam_plusplus
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from safetensors.numpy import save_file

from models import CASES, fill, u

OUT = pathlib.Path(__file__).parent / "cam" / "cam.safetensors"
CLASSES = [1, 3]

source = inspect.getsource(grad_cam_plusplus)
assert source.count("eps = 0.000001") == 1
namespace = {}
exec(source.replace("eps = 0.000001", "eps = 0.0"), namespace)
METHODS = {"gradcam": GradCAM, "gradcam++": namespace["GradCAMPlusPlus"], "hirescam": HiResCAM}


def patches(tokens):
    """pytorch-grad-cam's own reshape_transform for ViT: without the class token, a square, channels first."""
    side = int((tokens.size(1) - 1) ** 0.5)
    return tokens[:, 1:].reshape(len(tokens), side, side, -1).permute(0, 3, 1, 2)


def channels_first(maps):
    """And for Swin."""
    return maps.permute(0, 3, 1, 2)


# (network, tap): its module, and how its values become maps. Of ViT the last block's patches do not reach the logits.
TAPS = {
    ("resnet18", "stage2"): (lambda m: m.layer2, None),
    ("resnet18", "stage4"): (lambda m: m.layer4, None),
    ("vit_tiny_patch16_224", "stage3"): (lambda m: m.blocks[8], patches),
    ("swin_t", "stage2"): (lambda m: m.features[3], channels_first),
    ("swin_t", "stage4"): (lambda m: m.features[7], channels_first),
}


def maps(method, model, layer, reshape, images):
    made = []

    class Kept(method):
        def get_cam_image(self, *arguments, **options):
            made.append(super().get_cam_image(*arguments, **options))
            return made[-1]

    with Kept(model=model, target_layers=[layer], reshape_transform=reshape) as cam:
        cam(input_tensor=images, targets=[ClassifierOutputTarget(c) for c in CLASSES])
    return np.maximum(made[0], 0.0)


def make():
    out = {}
    for (name, tap), (layer, reshape) in TAPS.items():
        build, shape, classes = CASES[name]
        model = build(classes).double()
        fill(model)
        model.eval()
        images = torch.from_numpy((u("images", shape) * np.sqrt(3.0))[: len(CLASSES)])
        for method, kind in METHODS.items():
            # Grad-CAM++ is made for activations that are not negative. Before a norm of each place, which does not see their scale, the
            # products of gradients and activations add up to nothing but rounding.
            if name == "resnet18" or method == "gradcam" or (method == "hirescam" and tap != "stage4"):
                out[f"{name}.{tap}.{method}"] = maps(kind, model, layer(model), reshape, images)
    small = torch.from_numpy(out["resnet18.stage2.gradcam"][:1, None])
    over = F.interpolate(small, size=(21, 30), mode="bilinear", align_corners=False)[0, 0]
    out["resnet18.stage2.over"] = (over / over.max()).numpy()
    return {name: np.ascontiguousarray(value) for name, value in out.items()}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    OUT.parent.mkdir(exist_ok=True)
    made = make()
    path = OUT.with_suffix(".again") if check else OUT
    save_file(made, path)
    if not check:
        for name, value in made.items():
            print(f"{name}: {value.shape}, largest {value.max():.3e}, zeros {np.mean(value == 0):.2f}")
        return
    same = path.read_bytes() == OUT.read_bytes()
    path.unlink()
    print("same bytes" if same else "DIFFERS")
    sys.exit(not same)


if __name__ == "__main__":
    main()
