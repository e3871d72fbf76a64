"""Golden pixels of the image formats, made by Pillow: `exif_transpose`, then `convert("RGB")`.

    python tests/golden/decode.py            write tests/golden/decode/
    python tests/golden/decode.py --check    make them again and compare bytes

Versions: Python 3, numpy 2.x, Pillow 13.0.0 (MIT-CMU) with libjpeg-turbo. Seed 11.

expected.bin holds the upright RGB bytes of each file, row by row, one image after another; cases.json says where (`at`, in
bytes) and how large. The two PNGs of 16 bits a channel are put together here, as Pillow cannot write colour ones; their
expected pixels are the high bytes, as Pillow reads colour (grey it clips at 255 instead, which makes a white picture).
"""

import io
import json
import struct
import sys
import zlib
from pathlib import Path

import numpy as np
import PIL
from PIL import Image, ImageOps

SEED = 11
OUT = Path(__file__).parent / "decode"

files = {}
expected_pixels = bytearray()
cases = []


def photo(width, height):
    """Smooth shading with edges and a little noise, as a photograph has."""
    rng = np.random.default_rng(SEED)
    y, x = np.mgrid[0:height, 0:width] / max(width, height)
    red = 90 + 120 * x
    green = 60 + 130 * ((x - 0.4) ** 2 + (y - 0.3) ** 2 < 0.05)
    blue = 120 + 90 * np.sin(7 * x + 9 * y)
    rgb = np.stack([red, green, blue], axis=2) + rng.normal(0, 4, (height, width, 3))
    return Image.fromarray(np.clip(rgb, 0, 255).astype(np.uint8))


def add(name, extension, data, expected=None):
    if expected is None:
        with Image.open(io.BytesIO(data)) as image:
            expected = ImageOps.exif_transpose(image).convert("RGB")
    files[f"{name}.{extension}"] = data
    cases.append(
        {"file": f"{name}.{extension}", "at": len(expected_pixels), "width": expected.width, "height": expected.height}
    )
    expected_pixels.extend(expected.tobytes())


def save(image, name, extension, **options):
    out = io.BytesIO()
    image.save(out, **options)
    add(name, extension, out.getvalue())


def exif(orientation):
    tags = Image.Exif()
    tags[0x0112] = orientation
    return tags


def png(depth, color, rows, width, height):
    """A PNG of whole rows, without filters."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0)
    body = zlib.compress(b"".join(b"\0" + row for row in rows))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def make():
    image = photo(41, 27)
    grey = image.convert("L")
    save(image, "jpeg_420", "jpg", format="JPEG", quality=90, subsampling="4:2:0")
    save(image, "jpeg_422", "jpg", format="JPEG", quality=90, subsampling="4:2:2")
    save(image, "jpeg_444", "jpg", format="JPEG", quality=90, subsampling="4:4:4")
    save(image, "jpeg_progressive", "jpg", format="JPEG", quality=85, progressive=True)
    save(image, "jpeg_restart", "jpg", format="JPEG", quality=85, restart_marker_blocks=2)
    save(grey, "jpeg_grey", "jpg", format="JPEG", quality=90)
    save(image.convert("CMYK"), "jpeg_cmyk", "jpg", format="JPEG", quality=95)
    for orientation in range(1, 9):
        save(image, f"jpeg_exif_{orientation}", "jpg", format="JPEG", quality=90, exif=exif(orientation))

    alpha = Image.fromarray((np.mgrid[0:27, 0:41][1] * 6).astype(np.uint8))
    rgba = image.copy()
    rgba.putalpha(alpha)
    save(image, "png_rgb", "png", format="PNG")
    save(rgba, "png_rgba", "png", format="PNG")
    save(grey, "png_grey", "png", format="PNG")
    save(Image.merge("LA", [grey, alpha]), "png_grey_alpha", "png", format="PNG")
    save(image.quantize(32), "png_palette", "png", format="PNG")
    save(image.quantize(16), "png_palette_transparent", "png", format="PNG", transparency=3)
    save(image.convert("1"), "png_1_bit", "png", format="PNG")
    save(image, "png_exif_6", "png", format="PNG", exif=exif(6))
    deep = (np.asarray(image).astype(np.uint16) << 8) + np.random.default_rng(SEED).integers(0, 256, (27, 41, 3), dtype=np.uint16)
    add("png_16_bit", "png", png(16, 2, [row.astype(">u2").tobytes() for row in deep], 41, 27), image)
    high = Image.merge("RGB", [image.getchannel("R")] * 3)
    add("png_16_bit_grey", "png", png(16, 0, [row.astype(">u2").tobytes() for row in deep[:, :, 0]], 41, 27), high)

    save(image, "bmp_rgb", "bmp", format="BMP")
    save(grey, "bmp_grey", "bmp", format="BMP")
    save(image, "tiff_rgb", "tif", format="TIFF")
    save(image, "tiff_lzw", "tif", format="TIFF", compression="tiff_lzw")
    save(grey, "tiff_grey", "tif", format="TIFF")
    save(image, "webp_lossy", "webp", format="WEBP", quality=90)
    save(rgba, "webp_lossless", "webp", format="WEBP", lossless=True, exact=True)
    files["expected.bin"] = bytes(expected_pixels)
    files["cases.json"] = (json.dumps({"pillow": PIL.__version__, "cases": cases}, indent=1) + "\n").encode()


def main():
    make()
    if "--check" in sys.argv:
        stored = {path.name: path.read_bytes() for path in OUT.iterdir()}
        different = sorted(name for name in stored.keys() | files.keys() if stored.get(name) != files.get(name))
        if different:
            sys.exit(f"{OUT}: differs from what this script makes: {', '.join(different)}")
        print(f"{len(files)} files, as stored")
    else:
        OUT.mkdir(exist_ok=True)
        for name, data in files.items():
            (OUT / name).write_bytes(data)
        print(f"{len(files)} files, {sum(map(len, files.values()))} bytes")


main()
