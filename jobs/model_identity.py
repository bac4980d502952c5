"""What a model is, for the fingerprint: a hub id by its name, a local folder by its content.

Boundary: reads a local model folder once; never the network.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

WHOLE_BYTES = 16 * 1024 * 1024  # files up to this size are hashed whole
SAMPLE_BYTES = 1024 * 1024


def model_identity(model: str) -> str:
    """The hub id itself, or a digest over the folder's files.

    Of a large file only its size, its first and its last mebibyte count: a safetensors header and
    the tail of the weights tell retrained weights apart, and 100 GB need not be read.
    """
    folder = Path(model)
    if not folder.is_dir():
        return model
    total = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        total.update(f"{path.relative_to(folder)} {path.stat().st_size}\n".encode())
        total.update(_digest(path))
    return f"sha256:{total.hexdigest()}"


def _digest(path: Path) -> bytes:
    with path.open("rb") as file:
        if path.stat().st_size <= WHOLE_BYTES:
            return hashlib.sha256(file.read()).digest()
        sample = hashlib.sha256(file.read(SAMPLE_BYTES))
        file.seek(-SAMPLE_BYTES, 2)
        sample.update(file.read())
        return sample.digest()
