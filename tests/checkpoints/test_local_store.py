"""What only a folder can get wrong."""

import errno
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from checkpoints.local_store import LocalStore
from checkpoints.memory_store import MemoryStore


def test_looking_at_a_folder_that_is_not_there_makes_none(tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "nothing")
    assert list(store.list("results/")) == []
    with pytest.raises(FileNotFoundError, match="nothing"):
        store.read("a")
    assert not (tmp_path / "nothing").exists()


def test_temporary_files_are_never_listed_and_are_gone_after_a_write(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    store.create("a", b"1")
    store.replace("a", b"2")
    (tmp_path / ".tmp" / "other-writer").write_bytes(b"half")
    assert [info.key for info in store.list("")] == ["a"]
    assert sorted(os.listdir(tmp_path / ".tmp")) == ["lock", "other-writer"]


def test_opening_removes_old_temporary_files_and_spares_live_ones(tmp_path: Path) -> None:
    LocalStore(tmp_path).replace("a", b"")
    old, live = tmp_path / ".tmp" / "old", tmp_path / ".tmp" / "live"
    for path in (old, live):
        path.write_bytes(b"half")
    day_ago = time.time() - 86_400
    for path in (old, tmp_path / ".tmp" / "lock"):
        os.utime(path, (day_ago, day_ago))
    LocalStore(tmp_path)
    assert sorted(os.listdir(tmp_path / ".tmp")) == ["live", "lock"]


@pytest.mark.parametrize("key", ["../a", "/a", "a//b", ".tmp/a", "a/./b", ""])
def test_a_key_cannot_leave_the_folder(tmp_path: Path, key: str) -> None:
    with pytest.raises(ValueError, match="not a valid object key"):
        LocalStore(tmp_path).create(key, b"")


@pytest.mark.parametrize(
    ("code", "named"),
    [
        (errno.ENOSPC, "disk is full"),
        (errno.EACCES, "permission denied"),
        (errno.EROFS, "read-only"),
        (errno.ENOTSUP, "no hard links"),
    ],
)
def test_a_folder_that_refuses_says_why_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, named: str
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    store = LocalStore(tmp_path)
    monkeypatch.setattr(os, "link", refuse)
    with pytest.raises(OSError, match=rf"create results/x under {tmp_path}: .*{named}") as caught:
        store.create("results/x", b"data")
    assert isinstance(caught.value, PermissionError) == (code == errno.EACCES)
    assert caught.value.errno == code
    assert list(store.list("")) == []
    assert os.listdir(tmp_path / ".tmp") == []


KILLED = """
import os, sys
from pathlib import Path
from checkpoints.local_store import LocalStore
store = LocalStore(Path(sys.argv[1]))
for number in range(10**9):
    store.create(f"results/{number}", b"x" * 5000)
    store.replace("status.json", str(number).encode() * 500)
    print(number, flush=True)
"""


def test_a_kill_at_any_moment_leaves_whole_objects(tmp_path: Path) -> None:
    writer = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert writer.stdout is not None
    confirmed = [int(writer.stdout.readline()) for _ in range(20)]
    writer.kill()
    writer.wait()
    store = LocalStore(tmp_path)
    sizes = {info.key: info.size_bytes for info in store.list("results/")}
    assert {f"results/{number}" for number in confirmed} <= set(sizes)
    assert set(sizes.values()) == {5000}
    store.create(f"results/{10**9}", b"goes on")


def test_racing_processes_agree_on_one_winner(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from checkpoints.local_store import LocalStore;"
        "from checkpoints.commit import create_once;"
        "print(create_once(LocalStore(Path(sys.argv[1])), 'r/x', sys.argv[2].encode()).value)"
    )
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path), str(n)], stdout=subprocess.PIPE, text=True
        )
        for n in range(4)
    ]
    answers = [racer.communicate()[0].strip() for racer in racers]
    assert sorted(answers) == ["ours", "theirs", "theirs", "theirs"]
    assert LocalStore(tmp_path).read("r/x") == str(answers.index("ours")).encode()


def test_versions_do_not_depend_on_the_kind_of_store(tmp_path: Path) -> None:
    local, memory = LocalStore(tmp_path), MemoryStore()
    for store in (local, memory):
        store.create("a", b"same")
    assert local.read_versioned("a") == memory.read_versioned("a")
