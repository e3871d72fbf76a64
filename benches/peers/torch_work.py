"""One piece of work in PyTorch, in a process of its own; prints one JSON object with the keys of `tallow bench --json`.

    torch_work.py step --model resnet18 --stem cifar --input 32 --batch 128 --variant channels_last
    torch_work.py eval --model resnet50 --input 224 --batch 32
    torch_work.py mix zeta_mixup --shape 32,3,224,224 --variant matmul
    torch_work.py load --root FOLDER --input 224 --variant pillow
    torch_work.py epoch --root data/isic2018 --images 5056 --input 64 --batch 64

Timed as `tallow bench` times: a step is zero_grad, forward, soft cross-entropy, backward and update on a batch that is a tensor
already; an evaluation is a forward pass in inference mode; a mix is draw, blend and targets; loading is decoding and a random
resized crop of every JPEG below a folder, into batches of bytes; an epoch is everything, from the files on.
"""

import argparse
import contextlib
import csv
import json
import pathlib
import statistics
import sys
import time

import numpy as np
import torch
import torch.nn.functional as F
import torchvision
from torchvision.transforms import v2

from torch_mixes import MIXES


def peak_rss():
    """VmHWM of this process, bytes; loader processes are not in it."""
    for line in pathlib.Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024


def timed(work, warmup, steps):
    """Dictionaries of seconds, without the first `warmup`."""
    return [work(index) for index in range(warmup + steps)][warmup:]


def medians(times):
    return {name: statistics.median(row[name] for row in times) for name in times[0]}


def network(options, classes):
    """torchvision's where it has the name, else timm's, else the one that the golden files are made with."""
    if hasattr(torchvision.models, options.model):
        net = getattr(torchvision.models, options.model)(num_classes=classes)
        if options.stem == "cifar":
            net.conv1 = torch.nn.Conv2d(3, 64, 3, 1, 1, bias=False)
            net.maxpool = torch.nn.Identity()
        return net
    import timm

    sys.path.append(str(pathlib.Path(__file__).resolve().parents[2] / "tests/golden"))
    from models import CIFAR

    if options.model in CIFAR:
        return CIFAR[options.model](classes)
    return timm.create_model(options.model, num_classes=classes)


def laid_out(options, tensor_or_net):
    """On the device; tf32 and bf16 (autocast) on channels_last, their faster layout."""
    moved = tensor_or_net.to(options.device)
    if options.variant in ("channels_last", "tf32", "bf16", "bf16_compiled"):
        return moved.to(memory_format=torch.channels_last)
    return moved


def precision(options):
    """fp32 is strict but in the variant tf32."""
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = options.variant == "tf32"
    if options.variant.startswith("bf16"):
        return torch.autocast(options.device, dtype=torch.bfloat16)
    return contextlib.nullcontext()


def done(options):
    """What was asked of the device has happened."""
    if options.device != "cpu":
        torch.cuda.synchronize()
    return time.perf_counter()


def sgd(net):
    return torch.optim.SGD(net.parameters(), 0.01, momentum=0.9, nesterov=True, weight_decay=5e-4, fused=True)


def step(options):
    net = laid_out(options, network(options, options.classes))
    x = laid_out(options, torch.randn(options.batch, 3, options.input, options.input))
    targets = F.one_hot(torch.arange(options.batch) % options.classes, options.classes).float().to(options.device)
    optimizer = sgd(net)
    if options.variant == "bf16_compiled":
        net = torch.compile(net)

    def work(_):
        began = done(options)
        optimizer.zero_grad()
        with precision(options):
            loss = F.cross_entropy(net(x), targets)
        value = loss.item()
        forward = time.perf_counter()
        loss.backward()
        backward = done(options)
        optimizer.step()
        end = done(options)
        assert value == value, "the loss is not a number"
        return {
            "step_seconds": end - began,
            "forward_seconds": forward - began,
            "backward_seconds": backward - forward,
            "optimizer_seconds": end - backward,
        }

    result = medians(timed(work, options.warmup, options.steps))
    return {"images_per_second": options.batch / result["step_seconds"], **result, "peak_rss_bytes": peak_rss()}


def evaluate(options):
    net = laid_out(options, network(options, options.classes)).eval()
    x = laid_out(options, torch.randn(options.batch, 3, options.input, options.input))

    def work(_):
        began = done(options)
        with torch.inference_mode(), precision(options):
            net(x)
        return {"forward_seconds": done(options) - began}

    result = medians(timed(work, options.warmup, options.steps))
    return {"images_per_second": options.batch / result["forward_seconds"], **result, "peak_rss_bytes": peak_rss()}


def mix(options):
    shape = [int(size) for size in options.shape.split(",")]
    x, labels = torch.rand(shape), torch.arange(shape[0]) % options.classes
    run = MIXES[options.policy, options.variant](options.classes)

    def work(_):
        began = time.perf_counter()
        run(x, labels)
        return {"milliseconds": 1e3 * (time.perf_counter() - began)}

    return medians(timed(work, options.warmup, options.steps))


class Jpegs(torch.utils.data.Dataset):
    """Decoded and cropped: by Pillow, or by torchvision's own decoder on tensors."""

    def __init__(self, root, options):
        self.paths = sorted(pathlib.Path(root).rglob("*.jpg"))
        crop = v2.RandomResizedCrop(options.input, antialias=True)
        if options.variant == "torchvision_io":
            self.read = lambda path: crop(torchvision.io.decode_jpeg(torchvision.io.read_file(str(path))))
        else:
            image = v2.Compose([crop, v2.PILToTensor()])
            self.read = lambda path: image(torchvision.datasets.folder.default_loader(path))

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, index):
        return self.read(self.paths[index])


def load(options):
    began, images = time.perf_counter(), 0
    for batch in torch.utils.data.DataLoader(Jpegs(options.root, options), options.batch, shuffle=True):
        images += len(batch)
    seconds = time.perf_counter() - began
    return {"images": images, "images_per_second": images / seconds, "seconds": seconds}


CLASSES = ["MEL", "NV", "BCC", "AKIEC", "BKL", "DF", "VASC"]


class Isic(torch.utils.data.Dataset):
    """The first `images` of the training part of ISIC 2018 Task 3, in the order of its ground truth."""

    def __init__(self, root, images, transform):
        name = "ISIC2018_Task3_Training_GroundTruth"
        tables = [root / name / f"{name}.csv", root / f"{name}.csv"]
        with open(next(path for path in tables if path.is_file()), newline="") as file:
            rows = list(csv.DictReader(file))[:images]
        folder = root / "ISIC2018_Task3_Training_Input"
        label = lambda row: next(i for i, name in enumerate(CLASSES) if float(row[name]) > 0.5)
        self.rows = [(folder / f"{row['image']}.jpg", label(row)) for row in rows]
        self.transform = transform

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, index):
        path, label = self.rows[index]
        return self.transform(torchvision.datasets.folder.default_loader(path)), label


def epoch(options):
    transform = v2.Compose(
        [
            v2.RandomResizedCrop(options.input, scale=(0.5, 1.0), antialias=True),
            v2.RandomHorizontalFlip(),
            v2.RandomVerticalFlip(),
            v2.PILToTensor(),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
        ]
    )
    data = Isic(pathlib.Path(options.root), options.images, transform)
    assert len(data) == options.images, f"{len(data)} images here"
    net = laid_out(options, network(options, len(CLASSES)))
    optimizer = sgd(net)
    net.train()
    began, images = time.perf_counter(), 0
    loader = torch.utils.data.DataLoader(
        data, options.batch, shuffle=True, drop_last=True, num_workers=options.workers
    )
    for x, labels in loader:
        optimizer.zero_grad()
        with precision(options):
            loss = F.cross_entropy(net(laid_out(options, x)), F.one_hot(labels, len(CLASSES)).float())
        loss.item()
        loss.backward()
        optimizer.step()
        images += len(labels)
    seconds = time.perf_counter() - began
    return {
        "images": images,
        "images_per_second": images / seconds,
        "seconds": seconds,
        "peak_rss_bytes": peak_rss(),
    }


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["step", "eval", "mix", "load", "epoch"])
    parser.add_argument("policy", nargs="?")
    parser.add_argument("--model", default="resnet18")
    parser.add_argument("--stem", default="imagenet")
    parser.add_argument("--input", type=int, default=224)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--classes", type=int, default=10)
    parser.add_argument("--shape", default="32,3,224,224")
    parser.add_argument("--variant", default="nchw")
    parser.add_argument("--warmup", type=int, default=2)
    parser.add_argument("--steps", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu", help="of step and eval: cpu, cuda")
    parser.add_argument("--root")
    parser.add_argument("--images", type=int)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(1)
    np.random.seed(1)
    work = {"step": step, "eval": evaluate, "mix": mix, "load": load, "epoch": epoch}[options.what]
    versions = {"torch": torch.__version__, "torchvision": torchvision.__version__}
    print(json.dumps({"variant": options.variant, "threads": torch.get_num_threads(), **versions, **work(options)}))


if __name__ == "__main__":
    main()
