"""What a model is, for the fingerprint: a hub id by its name, a local folder by its content.

Boundary: reads a local model folder; never the network, never the hub's local cache. What is in
that cache differs between machines and changes with the first download, and the same run must get
the same identity wherever and whenever it is resumed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

WHOLE_FOLDER_BYTES = 4 * 1024**3  # a folder up to this size is hashed whole, in seconds
BLOCKS = 256
BLOCK_BYTES = 256 * 1024
END_BYTES = 1024 * 1024


def model_identity(model: str, *, whole_folder_bytes: int = WHOLE_FOLDER_BYTES) -> str:
    """The hub id itself, or a digest over the names, sizes and bytes of the folder's files.

    A folder above `whole_folder_bytes` is sampled: of each file that is larger than its sample,
    the size, the first and last mebibyte and 256 blocks of 256 KiB in even steps count. Merged
    adapters, another training step or another quantisation touch far more than lies between two
    blocks. Hidden files (.git, .cache) are no part of a model.

    Not caught: in a sampled folder, an edit that keeps the size and lies between the blocks, such
    as a few rows of one matrix; for a hub id without a pinned revision, new weights published
    under the same name between two resumes. Pin `revision` to a commit to rule that out.
    """
    folder = Path(model)
    if not folder.is_dir():
        return model
    paths = sorted(path for path in folder.rglob("*") if _counts(path, folder))
    sizes_bytes = {path: path.stat().st_size for path in paths}
    is_whole = sum(sizes_bytes.values()) <= whole_folder_bytes
    total = hashlib.sha256()
    for path, size_bytes in sizes_bytes.items():
        total.update(f"{path.relative_to(folder)} {size_bytes}\n".encode())
        total.update(_digest(path, size_bytes, is_whole=is_whole))
    return f"sha256:{total.hexdigest()}"


def _counts(path: Path, folder: Path) -> bool:
    hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
    return not hidden and path.is_file()


def _digest(path: Path, size_bytes: int, *, is_whole: bool) -> bytes:
    with path.open("rb") as file:
        if is_whole or size_bytes <= BLOCKS * BLOCK_BYTES + 2 * END_BYTES:
            return hashlib.file_digest(file, "sha256").digest()
        sample = hashlib.sha256()
        for start, length_bytes in _sampled(size_bytes):
            file.seek(start)
            sample.update(file.read(length_bytes))
        return sample.digest()


def _sampled(size_bytes: int) -> Iterator[tuple[int, int]]:
    """(start, length) in bytes of what counts in a large file."""
    yield 0, END_BYTES
    for block in range(BLOCKS):
        yield block * (size_bytes - BLOCK_BYTES) // (BLOCKS - 1), BLOCK_BYTES
    yield size_bytes - END_BYTES, END_BYTES
