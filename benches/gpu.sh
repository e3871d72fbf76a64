#!/usr/bin/env bash
# Everything that only a GPU can show: the ops and the networks held against the CPU and PyTorch's golden numbers on the card, runs on
# CPU and card from one recipe, then steps beside PyTorch. Needs a driver and, for the last part, a python3 with PyTorch.
#
#   benches/gpu.sh             builds with `--features cuda,cudnn` and runs all
#   TALLOW_TEST_DEVICE=metal benches/gpu.sh       the same on a Mac's GPU, with `--features metal`; no Mac has run it yet
#   BIN=FOLDER benches/gpu.sh  runs what is in FOLDER (tallow, and of the tests kernels, cuda or metal, golden) instead of building
set -uo pipefail
failed=0
cd "$(dirname "$0")/.."
export TALLOW_TEST_DEVICE=${TALLOW_TEST_DEVICE:-cuda:0}
python=${PYTHON:-python3}
# The libraries that PyTorch brings with it do as well as a toolkit's.
libraries=$($python -c 'import glob, os, nvidia; print(":".join(sorted({os.path.dirname(f) for p in nvidia.__path__ for f in glob.glob(p + "/*/lib/*.so*")})))' 2>/dev/null)
export LD_LIBRARY_PATH="${LD_LIBRARY_PATH:-}:/usr/local/nvidia/lib64:$libraries"
backend=${TALLOW_TEST_DEVICE%%:*}
features="--features tallow/cuda,tallow/cudnn"
if [ "$backend" = metal ]; then
    features="--features tallow/metal"
    # Losses of the steps, without PyTorch on a card beside them.
    NO_BENCH=1
    system_profiler SPDisplaysDataType
else
    nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader
fi

if [ -z "${BIN:-}" ]; then
    cargo build -p tallow $features || exit 1
    cargo test -p tallow-kernels -p tallow-models -p tallow $features --test kernels --test $backend --test golden -- --nocapture || failed=1
    BIN=target/debug
else
    BIN=$(cd "$BIN" && pwd)
    for test in kernels $backend golden; do
        (cd "crates/$([ $test = golden ] && echo models || echo kernels)" && "$BIN/$test" --nocapture 2>&1) || failed=1
    done
fi

# One recipe on both: the losses of the steps, which f32 alone keeps apart.
out=$(mktemp -d)
for model in ${MODELS:-resnet20 resnet18 mobilenet_v3_small efficientnet_b0 convnext_tiny vit_tiny_patch16_224 swin_t densenet121}; do
    for device in cpu "$TALLOW_TEST_DEVICE"; do
        "$BIN/tallow" train recipes/quickstart.yaml device="$device" model.name="$model" model.input=64 data.batch=16 \
            'images=[{ crop: { size: 64, padding: 2, mode: reflect } }]' 'evaluation=[{ resize: [64, 64] }]' \
            'policy=cutmix_zeta_mixup' 'schedule={ constant: { lr: 0.01 } }' 'length=8 steps' --out "$out/$model-${device%%:*}" \
            >"$out/$model-${device%%:*}.log" 2>&1 || { failed=1; echo "$model on $device: $(grep -v '^ *$' "$out/$model-${device%%:*}.log" | tail -1)"; }
    done
done
$python - "$out" "$backend" <<'PYTHON'
import json, pathlib, sys

# name: the largest difference of a step's loss, the loss of the last step
for folder in sorted(pathlib.Path(sys.argv[1]).glob("*-cpu")):
    losses = {}
    for device in ("cpu", sys.argv[2]):
        log = folder.with_name(folder.name.replace("-cpu", f"-{device}")) / "metrics.jsonl"
        lines = map(json.loads, log.read_text().splitlines()) if log.is_file() else []
        losses[device] = [line["loss"] for line in lines if "step" in line and "loss" in line]
    pairs = list(zip(*losses.values()))
    far = max((abs(a - b) for a, b in pairs), default=float("nan"))
    print(f"{folder.name[:-4]:24} {len(pairs)} losses, at most {far:.2e} apart, {losses['cpu'][-1:]} and {losses[sys.argv[2]][-1:]} at the end")
PYTHON
# The quickstart whole: its claim is .956 on a CPU.
"$BIN/tallow" train recipes/quickstart.yaml device="$TALLOW_TEST_DEVICE" --out "$out/quickstart" 2>&1 | grep -E "balanced|error|on $backend" || failed=1
[ -n "${NO_BENCH:-}" ] || $python benches/peers/gpu.py --tallow "$BIN/tallow" --python "$python"
exit $failed
