"""Mixes in PyTorch and NumPy: (x, labels) -> mixed x and soft targets, as {(policy, variant): classes -> function}.

torchvision's own transforms where it has them. The others are written from the formulas of the papers, each with whole-batch
operations and none of the loops over pixels that some published programs have: draw, blend and targets, one draw per batch as
the papers' programs do.
"""

import numpy as np
import torch
import torch.nn.functional as F
from torchvision.transforms import v2


def one_hot(labels, classes):
    return F.one_hot(labels, classes).float()


def weighed(shares):
    """Rows as weighted sums of rows: the product of shares (R, R) and values."""

    def product(x, labels, classes):
        weights = shares(len(x))
        return (weights @ x.flatten(1)).view_as(x), weights @ one_hot(labels, classes)

    def einsum(x, labels, classes):
        weights = shares(len(x))
        return torch.einsum("ijkl,pi->pjkl", x, weights), weights @ one_hot(labels, classes)

    return product, einsum


def zeta_shares(m, gamma=2.8):
    """Each row: rank^-gamma / sum over a random arrangement of the ranks 1..m that has rank 1 on the diagonal."""
    ranks = torch.rand(m, m).argsort(1) + 1
    own = torch.arange(m)
    shift = (ranks == 1).int().argmax(1) - own
    ranks = ranks.gather(1, (own + shift[:, None]) % m)
    weights = ranks.float() ** -gamma
    return weights / weights.sum(1, keepdim=True)


def dirichlet_shares(m):
    return torch.distributions.Dirichlet(torch.ones(m)).sample((m,))


def mixup_plain(x, labels, classes):
    """Zhang et al. 2018 as usually written: the loss takes both labels."""
    share = torch.distributions.Beta(1.0, 1.0).sample().item()
    order = torch.randperm(len(x))
    return share * x + (1 - share) * x[order], (labels, labels[order], share)


def soft(labels, order, share, classes):
    y = one_hot(labels, classes)
    return share * y + (1 - share) * y[order]


def blended(mask):
    """x outside a mask (H, W), the partner inside."""

    def mix(x, labels, classes):
        order = torch.randperm(len(x))
        inside = mask(*x.shape[-2:])
        return (1 - inside) * x + inside * x[order], soft(labels, order, 1 - inside.mean(), classes)

    return mix


def fmix_mask(height, width, decay=3.0):
    """Low-pass noise, the highest part of it: Harris et al. 2020."""
    share = np.random.beta(1.0, 1.0)
    frequencies = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)).clip(1 / max(height, width))
    spectrum = np.random.randn(*frequencies.shape) + 1j * np.random.randn(*frequencies.shape)
    noise = np.fft.irfft2(spectrum / frequencies**decay, (height, width)).ravel()
    mask = np.ones(height * width, np.float32)
    mask[noise.argsort()[::-1][: round(share * len(noise))]] = 0
    return torch.from_numpy(mask.reshape(height, width))


def spot(height, width):
    """A Gaussian about a random place: Lee et al. 2020."""
    sigma = np.random.uniform(0.25, 0.5)
    down, across = (
        torch.exp(-((torch.arange(side) - np.random.randint(side)) ** 2) / (2 * (sigma * side) ** 2))
        for side in (height, width)
    )
    return down[:, None] * across


def grid(height, width, cells=4):
    """Cells of a grid, each drawn: Baek et al. 2021."""
    theirs = (torch.rand(cells, cells) >= np.random.beta(1.0, 1.0)).float()
    return theirs.repeat_interleave(height // cells, 0).repeat_interleave(width // cells, 1)


def lattice(height, width):
    """Holes of a lattice in a random rectangle: IlyaDobrynin/GridMixup, as OpenMixup sets it."""
    hole, area, aspect = np.sqrt(1 - np.random.beta(1.0, 1.0)), np.random.uniform(0.5, 1.0), np.random.uniform(0.5, 2.0)
    wide = int(np.sqrt(height * width * area / aspect))
    tall, wide = min(int(wide * aspect), height), min(wide, width)
    top, left = int((height - tall) * np.random.rand()), int((width - wide) * np.random.rand())
    cell = -(-wide // np.random.randint(2, 7))
    open_ = torch.arange(max(tall, wide)) % cell < min(max(int(cell * hole), 1), cell - 1)
    mask = torch.zeros(height, width)
    mask[top : top + tall, left : left + wide] = (open_[:tall, None] & open_[:wide]).float()
    return mask


def resizemix(mode):
    """The whole partner, shrunk and pasted, one size for all and a place for each: Qin et al. 2020."""

    def mix(x, labels, classes):
        height, width = x.shape[-2:]
        tau = np.random.uniform(0.1, 0.8)
        tall, wide = int(tau * height), int(tau * width)
        order = torch.randperm(len(x))
        smooth = {} if mode == "nearest" else {"antialias": True}
        small = F.interpolate(x, (tall, wide), mode=mode, **smooth)
        mixed = x.clone()
        for row, partner in enumerate(order.tolist()):
            top = min(max(np.random.randint(height) - tall // 2, 0), height - tall)
            left = min(max(np.random.randint(width) - wide // 2, 0), width - wide)
            mixed[row, :, top : top + tall, left : left + wide] = small[partner]
        return mixed, soft(labels, order, 1 - tall * wide / (height * width), classes)

    return mix


def peaks(images, side=64):
    """The place of the highest spectral residual of each (N, H, W): Hou and Zhang 2007, at 64 pixels a side."""
    small = F.adaptive_avg_pool2d(images[:, None], side)[:, 0].double().numpy()
    spectrum = np.fft.fft2(small)
    logs = np.log(np.abs(spectrum))
    three = np.roll(logs, 1, 1) + logs + np.roll(logs, -1, 1)
    mean = (np.roll(three, 1, 2) + three + np.roll(three, -1, 2)) / 9
    saliency = np.abs(np.fft.ifft2(np.exp(logs - mean) * spectrum / np.abs(spectrum))) ** 2
    line = np.exp(-0.5 * ((np.arange(side)[:, None] - np.arange(side)) / 2.5) ** 2)
    best = (line @ saliency @ line).reshape(len(small), -1).argmax(1)
    return (best // side * images.shape[1] // side, best % side * images.shape[2] // side)


def saliencymix(x, labels, classes):
    """CutMix about the peak of the partner's saliency: Uddin et al. 2021, each row at its own partner's."""
    height, width = x.shape[-2:]
    part = np.sqrt(1 - np.random.beta(1.0, 1.0))
    order = torch.randperm(len(x))
    theirs = x[order]
    mixed, shares = x.clone(), torch.ones(len(x), 1)
    for row, (y, z) in enumerate(zip(*peaks(theirs.mean(1)))):
        tall, wide = int(height * part), int(width * part)
        top, bottom = max(y - tall // 2, 0), min(y + tall // 2, height)
        left, right = max(z - wide // 2, 0), min(z + wide // 2, width)
        mixed[row, :, top:bottom, left:right] = theirs[row, :, top:bottom, left:right]
        shares[row] = 1 - (bottom - top) * (right - left) / (height * width)
    return mixed, soft(labels, order, shares, classes)


def bound(function):
    return lambda classes: lambda x, labels: function(x, labels, classes)


zeta_product, zeta_einsum = weighed(zeta_shares)
dirichlet_product, dirichlet_einsum = weighed(dirichlet_shares)

MIXES = {
    ("zeta_mixup", "einsum"): bound(zeta_einsum),
    ("zeta_mixup", "matmul"): bound(zeta_product),
    ("dirichlet_mixup", "einsum"): bound(dirichlet_einsum),
    ("dirichlet_mixup", "matmul"): bound(dirichlet_product),
    ("mixup", "plain"): bound(mixup_plain),
    ("mixup", "torchvision_v2"): lambda classes: v2.MixUp(num_classes=classes),
    ("cutmix", "torchvision_v2"): lambda classes: v2.CutMix(num_classes=classes),
    ("resizemix", "nearest"): bound(resizemix("nearest")),
    ("resizemix", "antialiased"): bound(resizemix("bilinear")),
    ("fmix", "numpy"): bound(blended(fmix_mask)),
    ("smoothmix", "plain"): bound(blended(spot)),
    ("gridmix", "plain"): bound(blended(grid)),
    ("gridmixup", "plain"): bound(blended(lattice)),
    ("saliencymix", "numpy"): bound(saliencymix),
}
