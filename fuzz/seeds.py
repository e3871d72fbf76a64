"""Writes small files of every kind that the fuzzers begin from: `python fuzz/seeds.py`.

Needs numpy, pillow, pyarrow and safetensors. The files are in `fuzz/corpus`, one folder for each target.
"""

import io
import json
import pathlib
import struct
import zipfile

import numpy
import pyarrow
import pyarrow.parquet
import safetensors.numpy
from PIL import Image

HERE = pathlib.Path(__file__).parent
CORPUS = HERE / "corpus"


def put(target, name, content):
    place = CORPUS / target
    place.mkdir(parents=True, exist_ok=True)
    (place / name).write_bytes(content if isinstance(content, bytes) else content.encode())


def picture(mode="RGB", side=12):
    rows = numpy.arange(side * side * 3, dtype=numpy.uint8).reshape(side, side, 3)
    return Image.fromarray(rows).convert(mode)


def encoded(form, mode="RGB", side=12, **options):
    out = io.BytesIO()
    picture(mode, side).save(out, form, **options)
    return out.getvalue()


IMAGES = {
    "jpeg": encoded("JPEG", quality=50),
    "jpeg_grey": encoded("JPEG", "L"),
    "jpeg_cmyk": encoded("JPEG", "CMYK"),
    "jpeg_progressive": encoded("JPEG", progressive=True, subsampling=2),
    "jpeg_exif": encoded("JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"),
    "png": encoded("PNG"),
    "png_palette": encoded("PNG", "P"),
    "png_alpha": encoded("PNG", "RGBA"),
    "png_grey": encoded("PNG", "L"),
    "png_one_bit": encoded("PNG", "1"),
    "png_profile": encoded("PNG", icc_profile=b"profile" * 9),
    "bmp": encoded("BMP"),
    "bmp_palette": encoded("BMP", "P"),
    "tiff": encoded("TIFF"),
    "tiff_lzw": encoded("TIFF", compression="tiff_lzw"),
    "tiff_deflate": encoded("TIFF", compression="tiff_adobe_deflate"),
    "tiff_jpeg": encoded("TIFF", compression="jpeg"),
    "tiff_grey": encoded("TIFF", "L"),
    "tiff_float": encoded("TIFF", "F"),
    "webp": encoded("WEBP"),
    "webp_lossless": encoded("WEBP", "RGBA", lossless=True),
}


def images():
    for name, content in IMAGES.items():
        put("image", name, content)


def npz():
    arrays = {}
    for part in ("train", "val", "test"):
        arrays[f"{part}_images"] = numpy.zeros((2, 4, 4), numpy.uint8)
        arrays[f"{part}_labels"] = numpy.array([[0], [1]], numpy.uint8)
    for name, save in (("stored", numpy.savez), ("packed", numpy.savez_compressed)):
        out = io.BytesIO()
        save(out, **arrays)
        put("npz", name, out.getvalue())
    for name, index, array in (
        ("images", 0, numpy.zeros((2, 4, 4, 3), numpy.uint8)),
        ("labels", 1, numpy.array([[0], [1]], numpy.int64)),
        ("fortran", 0, numpy.asfortranarray(numpy.zeros((2, 4, 4), numpy.uint8))),
        ("floats", 2, numpy.zeros((2, 4, 4), numpy.float32)),
    ):
        out = io.BytesIO()
        numpy.save(out, array)
        put("npy", name, bytes([index]) + out.getvalue())


def parquet():
    names = pyarrow.struct([("bytes", pyarrow.binary()), ("path", pyarrow.string())])
    rows = [{"bytes": IMAGES["png"], "path": "a.png"}, {"bytes": IMAGES["jpeg"], "path": "b.jpg"}]
    table = pyarrow.table({"image": pyarrow.array(rows, names), "label": pyarrow.array([0, 1])})
    for codec in ("none", "snappy", "gzip", "brotli", "zstd", "lz4"):
        out = io.BytesIO()
        pyarrow.parquet.write_table(table, out, compression=codec, store_schema=False)
        put("parquet", codec, out.getvalue())
    for name, options in (
        ("pages_2", {"data_page_version": "2.0"}),
        ("plain", {"use_dictionary": False}),
        ("delta", {"use_dictionary": False, "column_encoding": {"label": "DELTA_BINARY_PACKED"}}),
        ("index", {"write_page_index": True}),
    ):
        out = io.BytesIO()
        pyarrow.parquet.write_table(table, out, compression="none", store_schema=False, **options)
        put("parquet", name, out.getvalue())
    words = pyarrow.table({"image": pyarrow.array([IMAGES["png"]] * 2), "label": ["a", "b"]})
    out = io.BytesIO()
    pyarrow.parquet.write_table(words, out, compression="none", store_schema=False)
    put("parquet", "words", out.getvalue())


def pickles():
    text = lambda word: b"X" + struct.pack("<I", len(word)) + word.encode()
    storage = b"(" + text("storage") + b"ctorch\nFloatStorage\n" + text("0") + text("cpu") + b"K\x08tQ"
    tensor = b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + b"K\0K\x02K\x04\x86K\x04K\x01\x86\x89ccollections\nOrderedDict\n)RtR"
    pairs = text("conv.weight") + tensor + text("epoch") + b"K\x03"
    dictionary = b"}(" + pairs + b"u"
    ordered = b"ccollections\nOrderedDict\n)R(" + pairs + b"u}" + text("_metadata") + b"}sb"
    values = numpy.arange(8, dtype=numpy.float32).tobytes()
    for name, content in (("dictionary", dictionary), ("ordered", ordered), ("wrapped", b"}(" + text("state_dict") + dictionary + b"u")):
        whole = b"\x80\x02" + content + b"."
        put("pickle", name, whole + b"\x80\x02](" + text("0") + b"e." + struct.pack("<Q", 8) + values)
        put("archive", name, b"\x01" + whole)
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
            archive.writestr("archive/data.pkl", whole)
            archive.writestr("archive/data/0", values)
            archive.writestr("archive/version", "3\n")
        put("archive", name + "_zip", b"\0" + out.getvalue())


def safetensors_files():
    whole = safetensors.numpy.save({"a": numpy.zeros((2, 3), numpy.float32), "b": numpy.zeros(4, numpy.float16)}, {"format": "pt"})
    length = struct.unpack("<Q", whole[:8])[0]
    put("safetensors", "two", whole[8 : 8 + length] + b"\n" + whole[8 + length :])
    put("safetensors", "raw", whole)


def texts():
    root = HERE.parent
    for recipe in ("quickstart", "isic2018_resnet50", "pneumoniamnist_resnet18"):
        put("recipe", recipe, (root / f"recipes/{recipe}.yaml").read_bytes())
    for policy in ("cutmix_or_zeta_mixup", "synermix_manifold", "mixup_or_cutmix_deit"):
        put("recipe", policy, "data: { name: synthetic }\nmodel: { name: resnet20 }\npolicy:\n" + "".join(
            f"  {line}\n" for line in (root / f"policies/{policy}.yaml").read_text().splitlines()))
    put("recipe", "aliases", "a: &a [1, 2]\nb: { x: *a, y: *a }\nlength: 1 steps\n")
    put("csv", "commas", "path,label,group,split\na.bmp,x,1,train\nb.bmp,y,2,val\n")
    put("csv", "semicolons", "path;label;group\r\n\"a.bmp\";\"x\";1\r\n./b.bmp;y;\r\n")
    put("csv", "tabs", "\ufeffpath\tlabel\na.bmp\tä\n")
    put("csv", "utf16", "path,label\na.bmp,x\n".encode("utf-16"))
    put("predictions", "ours", "id,group,label,predicted,x,y\na,1,x,x,0.75,0.25\nb,,y,x,0.5,0.5\n")
    put("predictions", "formula", "id,label,x,'=y\n'=a,x,1,0\nb,'=y,0.1,0.9\n")
    config = {"architecture": "resnet20", "num_classes": 2, "label_names": ["a", "b"], "pretrained_cfg": {
        "input_size": [3, 32, 32], "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5], "interpolation": "bilinear",
        "crop_pct": 0.875, "label_names": ["a", "b"]}, "tallow": {"stem": "cifar"}}
    put("config", "ours", json.dumps(config))
    put("sums", "one", "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a  config.json\n")
    ok = lambda headers, body="": f"HTTP/1.1 200 OK\r\n{headers}content-length: {len(body)}\r\n\r\n{body}"
    commit = "x-repo-commit: 0123456789012345678901234567890123456789\r\n"
    tag = 'etag: "0123456789012345678901234567890123456789"\r\n'
    put("hub", "file", ok(commit + tag, "{}") + "\0\0" + ok(commit + tag, "{}"))
    put("hub", "redirect", "HTTP/1.1 307 Temporary Redirect\r\n" + commit + 'x-linked-size: 2\r\nx-linked-etag: "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"\r\nlocation: /x\r\ncontent-length: 0\r\n\r\n\0\0' + ok(tag, "{}"))
    put("hub", "gone", "HTTP/1.1 404 Not Found\r\nx-error-code: EntryNotFound\r\ncontent-length: 0\r\n\r\n")
    put("hub", "chunked", "HTTP/1.1 200 OK\r\n" + commit + tag + "transfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n")


if __name__ == "__main__":
    images()
    npz()
    parquet()
    pickles()
    safetensors_files()
    texts()
