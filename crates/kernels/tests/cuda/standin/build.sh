#!/bin/sh
# Builds what stands for a GPU: `sh build.sh FOLDER` puts NVIDIA's libraries there, by name, as tests of CUDA code take them.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
cd "$1"
# What was compiled behind another header is compiled anew.
cmp -s "$here/device.h" device.h || rm -rf made
cp "$here/device.h" .
${CXX:-c++} -std=c++17 -O2 -g1 -fPIC -shared -fvisibility=hidden -ffp-contract=off -Wall -Wl,-soname,libcuda.so.1 \
    "$here/memory.cc" "$here/driver.cc" "$here/nvrtc.cc" "$here/blas.cc" "$here/../../cudnn/standin.cc" \
    -o part.so -ldl -lpthread
mv part.so libcuda.so.1
for name in libnvrtc.so.13 libcublas.so.13 libcublasLt.so.13 libcurand.so.10 libcudnn.so.9; do ln -sf libcuda.so.1 "$name"; done
