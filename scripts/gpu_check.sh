#!/usr/bin/env bash
# What only a machine with an NVIDIA GPU can check: builds with the CUDA plugin, runs the tests of devices on cuda:0, a
# sample of them under compute-sanitizer, and the benchmarks, whose numbers go to benchmarks/results.
# Usage: bash scripts/gpu_check.sh [--emulated]
# --emulated tries this script itself where there is no GPU: the build as it is, a few tests, tiny benchmarks.
set -euo pipefail
cd "$(dirname "$0")/.."
export PYTHONPATH=$PWD/python${PYTHONPATH:+:$PYTHONPATH}

step() { printf '\n==== %s (%ss)\n' "$1" "$SECONDS"; }

emulated=
case "${1:-}" in
  "") ;;
  --emulated) emulated=1 ;;
  *)
    echo "usage: bash scripts/gpu_check.sh [--emulated]" >&2
    exit 2
    ;;
esac

sample="test_forward and float32 and (sum or softmax or sort or matmul or conv or scatter or adam)"
if [ "$emulated" ]; then
  step "tests, emulated"
  python -m pytest tests/cuda/test_kernels.py -n 0 -p no:cacheprovider -k "test_forward and float32 and softmax"
  step "benchmarks, emulated"
  results=$(mktemp)
  python benchmarks/gpu.py --emulated --engines addax --json "$results"
  rm "$results"
  exit
fi

step "build"
cmake --preset dev -DADDAX_CUDA=ON
cmake --build --preset dev
python -m addax info

step "tests on cuda:0"
python -m pytest tests --device cuda -n 1

step "convolutions of any size, by cuDNN where it is faster"
ADDAX_CUDNN=1 ADDAX_CACHE_DIR=$(mktemp -d) python -m pytest tests/cuda/test_kernels.py --device cuda -n 1 -k conv

step "convolutions as products of patches"
ADDAX_CONV_PATCHES=1 python -m pytest tests/cuda/test_kernels.py --device cuda -n 1 -k conv

step "compute-sanitizer"
sanitizer=$(command -v compute-sanitizer || ls /usr/local/cuda/bin/compute-sanitizer 2>/dev/null || true)
if [ "$sanitizer" ]; then
  for tool in memcheck racecheck; do
    "$sanitizer" --tool "$tool" --target-processes all --error-exitcode 9 \
      python -m pytest tests/cuda/test_kernels.py --device cuda -n 0 -p no:cacheprovider -k "$sample"
  done
else
  echo "compute-sanitizer was not found; it comes with the CUDA toolkit"
fi

step "benchmarks"
python benchmarks/gpu.py

step "done"
