#!/usr/bin/env python3
"""How long a training takes to start on many files, the first time and the second, and how much memory.

    python3 benches/start.py [IMAGES] [FOLDER]

Writes IMAGES (1,000,000) PNG files of 4 × 4 pixels and one length, and a CSV of them, below FOLDER (/dev/shm), trains two steps on them
twice with a cache that is empty at first, and the same on 1,000 of them. Seconds and MiB are those of the whole command.
"""
import os, shutil, struct, subprocess, sys, tempfile, time, zlib

IMAGES = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
FOLDER = sys.argv[2] if len(sys.argv) > 2 else "/dev/shm"
HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
RECIPE = """\
data: {{ name: csv, file: {file}, split: {{ validation: {share} }}, batch: 8, workers: 2 }}
model: {{ name: resnet20, input: 32 }}
images: [ {{ resize: [32, 32] }} ]
evaluation: [ {{ resize: [32, 32] }} ]
optimizer: {{ sgd: {{}} }}
schedule: {{ cosine: {{ lr: 0.05 }} }}
length: 2 steps
device: cpu
"""


def png(value):
    def chunk(name, body):
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    rows = b"".join(b"\0" + bytes([value >> 16 & 255, value >> 8 & 255, value & 255]) * 4 for _ in range(4))
    head = struct.pack(">IIBBBBB", 4, 4, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows, 0)) + chunk(b"IEND", b"")


def write(root):
    with open(f"{root}/all.csv", "w") as table, open(f"{root}/few.csv", "w") as few:
        for index in range(IMAGES):
            name = f"{index // 1000:04d}/{index:07d}.png"
            if index % 1000 == 0:
                os.makedirs(f"{root}/{index // 1000:04d}")
            with open(f"{root}/{name}", "wb") as file:
                file.write(png(index * 16 + 7))
            row = f"{name},{'abcdefghij'[index % 10]}\n"
            for file in (table, few) if index < 1000 else (table,):
                file.write(row if index else "path,label\n" + row)


def start(root, table, share):
    recipe = f"{root}/recipe.yaml"
    with open(recipe, "w") as file:
        file.write(RECIPE.format(file=f"{root}/{table}.csv", share=share))
    began = time.monotonic()
    child = subprocess.Popen([f"{HERE}/target/debug/train", recipe, "--overwrite", "--out", f"{root}/run"], cwd=root,
                             env=dict(os.environ, TALLOW_CACHE=f"{root}/cache"), stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(child.pid, 0)
    assert status == 0, status
    return time.monotonic() - began, used.ru_maxrss / 1024


subprocess.run(["cargo", "build", "--quiet", "--workspace", "--bins"], cwd=HERE, check=True)
share = min(0.5, 1000 / IMAGES)
root = tempfile.mkdtemp(dir=FOLDER)
try:
    write(root)
    for name, table, share in [("1,000 images", "few", 0.5), (f"{IMAGES:,} images, first", "all", share),
                               (f"{IMAGES:,} images, again", "all", share)]:
        seconds, memory = start(root, table, share)
        print(f"{name:28} {seconds:6.1f} s {memory:6.0f} MiB")
finally:
    shutil.rmtree(root)
