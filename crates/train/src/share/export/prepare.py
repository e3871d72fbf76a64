CONFIG = json.loads((here / "config.json").read_text())
PREPROCESSING = CONFIG["tallow"]["preprocessing"]
LABELS = CONFIG["label_names"]


def resize(image, size, interpolation):
    """`size` is the shorter side, or [height, width]; antialiased, but for nearest."""
    if isinstance(size, int):
        width, height = image.size
        short = min(width, height)
        size = [size * height // short, size * width // short]
    filters = {"nearest": Image.NEAREST, "bilinear": Image.BILINEAR, "bicubic": Image.BICUBIC}
    return image.resize(size[::-1], filters[interpolation])


def center_crop(image, size):
    """The middle, black around it where the image is smaller; ties go to even."""
    height, width = size
    over = image.width - width, image.height - height
    left, top = (round(o / 2) if o >= 0 else -(-o // 2) for o in over)
    return image.crop((left, top, left + width, top + height))


def ordered_crops(image, size, crops):
    """crops × crops of that size from border to border, row by row."""
    height, width = size
    if image.width < width or image.height < height:
        raise ValueError(f"expected an image of {width} by {height} pixels or more to crop from, got {image.width} by {image.height}")
    place = lambda length, side, k: round(k * (length - side) / (crops - 1))
    corners = [(place(image.width, width, k % crops), place(image.height, height, k // crops)) for k in range(crops**2)]
    return [image.crop((left, top, left + width, top + height)) for left, top in corners]


def color_constancy(image, norm):
    """Shades of grey: each channel by the norm of all over its own."""
    pixels = np.asarray(image)
    light = ((pixels / 255.0) ** norm).mean((0, 1)) ** (1 / norm)
    gain = np.where(light > 0, np.sqrt((light**2).mean()) / np.where(light > 0, light, 1), 1)
    return Image.fromarray(np.clip(np.floor(pixels * gain + 0.5), 0, 255).astype(np.uint8))


def field_of_view(image, margin, darkness):
    """The square about the bright disc, where what is outside it is dark."""
    luma = np.asarray(image.convert("L")).astype(np.int64)
    counts = np.bincount(luma.ravel(), minlength=256).astype(float)
    below, total = counts.cumsum(), (counts * np.arange(256)).cumsum()
    above = below[-1] - below
    with np.errstate(divide="ignore", invalid="ignore"):
        between = below * above * (total / below - (total[-1] - total) / above) ** 2
    y, x = np.nonzero(luma > 0.2 * np.nan_to_num(between).argmax())
    if not len(x):
        return image
    xx, yy, xy = (x * x).mean() - x.mean() ** 2 + 1 / 12, (y * y).mean() - y.mean() ** 2 + 1 / 12, (x * y).mean() - x.mean() * y.mean()
    half, spread = (xx + yy) / 2, np.hypot((xx - yy) / 2, xy)
    reach = (1 - margin) * (np.sqrt(half + spread) + np.sqrt(max(half - spread, 0)))
    clip = lambda at, n: int(np.clip(np.floor(at + 1), 0, n))
    (left, right), (top, bottom) = ([clip(c - reach, n), clip(c + reach, n)] for c, n in zip((x.mean(), y.mean()), image.size))
    if right <= left or bottom <= top:
        return image
    inside = luma[top:bottom, left:right]
    rest = luma.size - inside.size
    is_dark = rest > 0 and (luma.sum() - inside.sum()) / rest <= darkness * inside.mean()
    return image.crop((left, top, right, bottom)) if is_dark else image


STEPS = {
    "resize": resize,
    "center_crop": center_crop,
    "color_constancy": color_constancy,
    "field_of_view": field_of_view,
    "autocontrast": ImageOps.autocontrast,
    "equalize": ImageOps.equalize,
    "invert": ImageOps.invert,
    "posterize": ImageOps.posterize,
    "solarize": ImageOps.solarize,
    "grayscale": lambda image: image.convert("L").convert("RGB"),
}


def prepare(path):
    """The values of an image file, float32 (crops, 3, height, width), as the evaluation of the training makes them."""
    image = ImageOps.exif_transpose(Image.open(path))
    if image.mode.startswith("I"):
        # 16 bits: the upper eight, as the training has them; Pillow would cut at 255.
        image = Image.fromarray((np.asarray(image).astype(np.uint32) >> 8).clip(0, 255).astype(np.uint8))
    image = image.convert("RGB")
    steps = [next(iter(step.items())) for step in PREPROCESSING["steps"]]
    crops = PREPROCESSING["crops_per_side"]
    images = None
    for at, (name, parameters) in enumerate(steps):
        if name not in STEPS:
            raise ValueError(f"`{name}` is an image policy that this file cannot do; prepare the images in tallow, and call model(values)")
        if crops > 1 and at == len(steps) - 1:
            images = ordered_crops(image, parameters["size"], crops)
        else:
            image = STEPS[name](image, **parameters)
    pixels = np.stack([np.asarray(image, np.float32) for image in images or [image]])
    values = pixels * np.float32(PREPROCESSING["scale"])
    values = (values - np.float32(PREPROCESSING["mean"])) / np.float32(PREPROCESSING["std"])
    return np.ascontiguousarray(values.transpose(0, 3, 1, 2))


def probabilities(path):
    """Of each class of LABELS: the mean over the crops."""
    logits = run(prepare(path)).astype(np.float64)
    powers = np.exp(logits - logits.max(1, keepdims=True))
    return (powers / powers.sum(1, keepdims=True)).mean(0)


if __name__ == "__main__":
    if not sys.argv[1:]:
        sys.exit("usage: python load.py IMAGE …")
    table = csv.writer(sys.stdout, lineterminator="\n")
    table.writerow(["image", "predicted", *LABELS])
    for path in sys.argv[1:]:
        try:
            found = probabilities(path)
        except (OSError, ValueError) as problem:
            sys.exit(f"{path}: {problem}")
        table.writerow([path, LABELS[found.argmax()], *(f"{p:.6g}" for p in found)])
