import os
import pickle
import time
from pathlib import Path

import fsspec
import pytest
import tenacity
from fsspec.implementations.local import LocalFileOpener

from pipeline.documents import InputSource
from pipeline.intake.listing import list_inputs
from pipeline.loaders import reading
from pipeline.loaders.input_errors import InputChangedError, InputError, InputUnavailableError
from pipeline.loaders.reading import opened, read_range

PATIENT = reading.READ_RETRIES


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    hasty = reading.RETRIES.copy(wait=tenacity.wait_none())
    monkeypatch.setattr(reading, "RETRIES", hasty)
    monkeypatch.setattr(reading, "READ_RETRIES", hasty)


def version_at(path: Path) -> str:
    return list_inputs(InputSource((str(path),)))[0].version


def test_a_range_is_read_and_a_whole_file_too(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"0123456789")
    version = version_at(path)
    assert read_range(str(path), version, 2, 5) == b"234"
    assert read_range(str(path), version, 0, None) == b"0123456789"
    assert read_range(str(path), version, 4, 4) == b""


def test_a_changed_a_vanished_and_a_shorter_file_stop_the_run(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"0123456789")
    version = version_at(path)
    with pytest.raises(InputChangedError, match="became shorter"):
        read_range(str(path), version, 5, 11)
    os.utime(path, (1, 1))
    with pytest.raises(InputChangedError, match="changed since the run was planned"):
        read_range(str(path), version, 0, None)
    path.unlink()
    with pytest.raises(InputChangedError, match="vanished"):
        read_range(str(path), version, 0, None)


def test_an_object_written_anew_is_noticed_wherever_it_lies() -> None:
    memory = fsspec.filesystem("memory")
    memory.pipe("/changing/a.txt", b"one")
    files = list_inputs(InputSource(("memory://changing/a.txt",)))
    assert read_range(files[0].uri, files[0].version, 0, None) == b"one"
    memory.pipe("/changing/a.txt", b"two")
    with pytest.raises(InputChangedError, match="changed since the run was planned"):
        read_range(files[0].uri, files[0].version, 0, None)
    memory.rm("/changing", recursive=True)


def test_a_file_that_changes_while_it_is_read_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"0123456789")

    def read_while_written() -> None:
        with opened(str(path), version_at(path)) as file:
            file.read(5)
            path.write_bytes(b"abcdefghijk")

    with pytest.raises(InputChangedError, match="changed"):
        read_while_written()


def failing(monkeypatch: pytest.MonkeyPatch, errors: list[Exception]) -> None:
    real = LocalFileOpener.seek

    def seek(self: LocalFileOpener, *where: int) -> int:
        if errors:
            raise errors.pop()
        return int(real(self, *where))

    monkeypatch.setattr(LocalFileOpener, "seek", seek)


def test_transient_errors_are_retried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"0123456789")
    failing(monkeypatch, [ConnectionResetError("gone"), TimeoutError("slow"), OSError(5, "EIO")])
    assert read_range(str(path), version_at(path), 3, 6) == b"345"


def test_transient_errors_that_stay_are_raised_and_others_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"0123456789")
    version = version_at(path)
    errors: list[Exception] = [ConnectionResetError("gone")] * 20
    failing(monkeypatch, errors)
    with pytest.raises(InputUnavailableError, match="in spite of retries: ConnectionResetError"):
        read_range(str(path), version, 0, None)
    assert len(errors) == 15
    errors[:] = [ValueError("a bug")] * 2
    with pytest.raises(ValueError, match="a bug"):
        read_range(str(path), version, 0, None)
    assert len(errors) == 1


def test_a_store_that_is_away_for_some_minutes_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"0123456789")
    version, slept_s = version_at(path), list[float]()
    monkeypatch.setattr(time, "monotonic", lambda: sum(slept_s))
    monkeypatch.setattr(reading, "READ_RETRIES", PATIENT.copy(sleep=slept_s.append))
    real = LocalFileOpener.seek

    def seek(self: LocalFileOpener, *where: int) -> int:
        if sum(slept_s) < away_s:
            raise ConnectionRefusedError("nobody listens")
        return int(real(self, *where))

    monkeypatch.setattr(LocalFileOpener, "seek", seek)
    away_s = 240.0
    assert read_range(str(path), version, 0, None) == b"0123456789"
    assert max(slept_s) <= 16.0
    slept_s.clear()
    away_s = 400.0
    with pytest.raises(InputUnavailableError):
        read_range(str(path), version, 0, None)


def test_errors_travel_between_processes() -> None:
    for error in (
        InputChangedError("s3://b/k", "vanished"),
        InputUnavailableError("s3://b/k", "why"),
        InputError("input.uri", "wrong", "value", "remedy"),
    ):
        copy = pickle.loads(pickle.dumps(error))
        assert type(copy) is type(error)
        assert str(copy) == str(error)
