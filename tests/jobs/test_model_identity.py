"""A model is the same work wherever its folder lies, and other work when its bytes differ."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from jobs.model_identity import BLOCK_BYTES, BLOCKS, END_BYTES, model_identity

MIB = 1024 * 1024
LARGE_BYTES = 200 * MIB


def model(folder: Path) -> Path:
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(bytes(3 * MIB))
    return folder


def large_model(folder: Path) -> Path:
    folder.mkdir()
    with (folder / "model.safetensors").open("wb") as file:
        file.truncate(LARGE_BYTES)  # a hole: takes no room
    return folder


def write_at(folder: Path, start: int, data: bytes = b"x") -> None:
    with (folder / "model.safetensors").open("r+b") as file:
        file.seek(start)
        file.write(data)


def sampled(folder: Path) -> str:
    return model_identity(str(folder), whole_folder_bytes=0)


def test_a_hub_id_stands_for_itself() -> None:
    assert model_identity("org/model") == "org/model"


def test_a_copy_elsewhere_is_the_same_model(tmp_path: Path) -> None:
    first = model(tmp_path / "one")
    shutil.copytree(first, tmp_path / "two")
    (tmp_path / "two" / ".cache").mkdir()
    (tmp_path / "two" / ".cache" / "downloaded").write_text("today")
    assert model_identity(str(tmp_path / "two")) == model_identity(str(first))


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: write_at(folder, 3 * MIB // 2),
        lambda folder: (folder / "config.json").write_text("{ }"),
        lambda folder: (folder / "config.json").rename(folder / "other.json"),
        lambda folder: (folder / "adapter.safetensors").write_bytes(b""),
    ],
    ids=["one byte in the middle", "config", "a name", "one more file"],
)
def test_any_change_to_a_folder_that_is_read_whole_counts(
    tmp_path: Path, change: Callable[[Path], object]
) -> None:
    folder = model(tmp_path / "m")
    before = model_identity(str(folder))
    change(folder)
    assert model_identity(str(folder)) != before


def test_weights_changed_throughout_are_seen_though_head_and_tail_are_the_same(
    tmp_path: Path,
) -> None:
    folder = large_model(tmp_path / "m")
    before = sampled(folder)
    step = (LARGE_BYTES - BLOCK_BYTES) // (BLOCKS - 1)
    longest_gap = step - BLOCK_BYTES
    write_at(folder, LARGE_BYTES // 2, b"x" * (longest_gap + 2))
    assert sampled(folder) != before


@pytest.mark.parametrize("start", [0, END_BYTES - 1, LARGE_BYTES - END_BYTES, LARGE_BYTES - 1])
def test_the_ends_of_a_sampled_file_count_to_the_byte(tmp_path: Path, start: int) -> None:
    folder = large_model(tmp_path / "m")
    before = sampled(folder)
    write_at(folder, start)
    assert sampled(folder) != before


def test_what_is_documented_as_not_caught_is_not_caught_when_sampled(tmp_path: Path) -> None:
    folder = large_model(tmp_path / "m")
    whole, before = model_identity(str(folder)), sampled(folder)
    between_two_blocks = 100 * (LARGE_BYTES - BLOCK_BYTES) // (BLOCKS - 1) + BLOCK_BYTES + 1
    write_at(folder, between_two_blocks)
    assert sampled(folder) == before
    assert model_identity(str(folder)) != whole
