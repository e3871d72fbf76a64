#!/usr/bin/env python3
"""The functions of NVIDIA's libraries that cudarc declares: one list per library in src/functions, of which build.rs makes trampolines.

    functions.py                      writes the lists, from the cudarc of Cargo.lock, which `cargo fetch` has put into cargo's registry
    functions.py --check              compares them instead
    functions.py --libraries FOLDER…  asks the libraries in these folders for every function of the lists; cuda.h stands for the driver

Functions of CUDA 11 and of cuDNN 8 alone are left out.
"""

import os
import pathlib
import re
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
LISTS = HERE / "src/functions"
# list: module of cudarc, library
LIBRARIES = {
    "cuda": ("driver", "libcuda.so.1"),
    "cublas": ("cublas", "libcublas.so.*"),
    "cublasLt": ("cublaslt", "libcublasLt.so.*"),
    "curand": ("curand", "libcurand.so.10"),
    "nvrtc": ("nvrtc", "libnvrtc.so.[0-9]*"),
    "cudnn": ("cudnn", "libcudnn.so.9"),
}
# What the functions answer that do not answer a status.
ANSWERS = {"": "nothing", "usize": "number", "*const ::core::ffi::c_char": "text"}
# Why a library lacks what cudarc declares for its version.
EXCUSED = {
    "cuProfilerInitialize": "in cudaProfilerTypedefs.h alone",
    "cublasLtEmulationDescCreate": "not in the headers of 13.0.2",
    "cublasLtEmulationDescDestroy": "not in the headers of 13.0.2",
    "cublasLtEmulationDescGetAttribute": "not in the headers of 13.0.2",
    "cublasLtEmulationDescInit_internal": "not in the headers of 13.0.2",
    "cublasLtEmulationDescSetAttribute": "not in the headers of 13.0.2",
}


def version():
    lock = (HERE / "../../Cargo.lock").read_text()
    return re.search(r'name = "cudarc"\nversion = "([^"]+)"', lock)[1]


def sources():
    home = pathlib.Path(os.environ.get("CARGO_HOME", pathlib.Path.home() / ".cargo"))
    found = list(home.glob(f"registry/src/*/cudarc-{version()}/src"))
    return found[0] if found else sys.exit(f"no sources of cudarc {version()} below {home} – run `cargo fetch`")


def declared(module):
    """name: (what it answers, the features with which cudarc declares it; none: always)"""
    text = (sources() / module / "sys/mod.rs").read_text()
    inner = re.findall(r"^\s+fn (\w+)\([^;{]*?\)\s*(?:->\s*([^;{]+?))?;", text, re.M | re.S)
    outer = re.findall(r"^(#\[cfg\([^\n]*\)\]\n)?pub unsafe fn (\w+)\s*\(", text, re.M)
    features = {}
    for condition, name in outer:
        found = re.findall(r'feature = "([\w-]+)"', condition)
        features[name] = features.get(name, []) + (found or ["always"])
    for own in ("culib", "is_culib_present"):
        features.pop(own, None)
    answers = {name: " ".join(answer.split()) for name, answer in inner}
    assert set(answers) == set(features), set(answers) ^ set(features)
    return {name: (answers[name], features[name]) for name in sorted(answers)}


def is_old(features):
    return all(re.match(r"cuda-11|cudnn-08", feature) for feature in features)


def listed(module):
    """The text of a list."""
    functions = {name: answer for name, (answer, features) in declared(module).items() if not is_old(features)}
    head = f"# {len(functions)} functions of cudarc {version()}, made by functions.py; what answers no status is named with its answer\n"
    return head + "".join(f"{name} {ANSWERS[answer]}\n" if answer in ANSWERS else f"{name}\n" for name, answer in functions.items())


def since(features):
    """`CUDA 13.2` of cuda-13020 and later ones."""
    first = min(features)
    kind, number = first.split("-")
    major, minor = int(number[:2]), int(number[2:]) // (10 if kind == "cuda" else 1)
    return f"{ {'cuda': 'CUDA', 'cudnn': 'cuDNN'}[kind]} {major}.{minor}"


def exported(library, folders):
    """File, and names; of the driver those of cuda.h."""
    for folder in map(pathlib.Path, folders):
        if library == "libcuda.so.1" and (folder / "../include/cuda.h").exists():
            header = folder / "../include/cuda.h"
            return header, set(re.findall(r"\w+", header.read_text()))
        for file in sorted(folder.glob(library)):
            out = subprocess.run(["nm", "-D", "--defined-only", file], check=True, capture_output=True, text=True).stdout
            return file, {line.split()[-1].split("@")[0] for line in out.splitlines()}
    sys.exit(f"no {library} in {' '.join(folders)}")


def held_against(folders):
    header = exported("libcuda.so.1", folders)[0].read_text()
    built = int(re.search(r"#define CUDA_VERSION (\d+)", header)[1])
    unexplained = 0
    for name, (module, library) in LIBRARIES.items():
        file, names = exported(library, folders)
        functions = declared(module)
        wanted = [line.split()[0] for line in (LISTS / f"{name}.txt").read_text().splitlines()[1:]]
        missing = [function for function in wanted if function not in names]
        print(f"{name}: {len(wanted) - len(missing)} of {len(wanted)} functions are in {file.name}")
        for function in missing:
            features = functions[function][1]
            of_later = [int(feature.split("-")[1]) > built for feature in features if feature.startswith("cuda-")]
            why = f"since {since(features)}" if of_later and all(of_later) else EXCUSED.get(function)
            unexplained += why is None
            print(f"  {function}: {why or 'missing without a reason'}")
    return unexplained


if __name__ == "__main__":
    if "--libraries" in sys.argv:
        sys.exit(1 if held_against(sys.argv[2:]) else 0)
    LISTS.mkdir(exist_ok=True)
    for name, (module, _) in LIBRARIES.items():
        file = LISTS / f"{name}.txt"
        if "--check" in sys.argv:
            if file.read_text() != listed(module):
                sys.exit(f"{file}: not what cudarc {version()} declares – run functions.py")
        else:
            file.write_text(listed(module))
