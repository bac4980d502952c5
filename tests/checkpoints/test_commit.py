"""Ours, theirs or unknown: every answer a store can give to one conditional write."""

from collections.abc import Callable

import pytest

from checkpoints.commit import ATTEMPTS, Outcome, commit_result, create_once
from checkpoints.errors import UnknownWriteError
from checkpoints.keys import result_key
from checkpoints.memory_store import MemoryStore


class Scripted(MemoryStore):
    """Each create follows the next word: land, lose_request, lose_response, exists."""

    def __init__(self, *words: str, read_error: Exception | None = None) -> None:
        super().__init__()
        self.words = [*words]
        self.read_error = read_error
        self.deleted: list[str] = []

    def create(self, key: str, data: bytes) -> None:
        word = self.words.pop(0) if self.words else "land"
        if word in ("land", "lose_response"):
            super().create(key, data)
        if word in ("lose_request", "lose_response"):
            raise TimeoutError("no answer")
        if word == "exists":
            raise FileExistsError(key)

    def read(self, key: str) -> bytes:
        if self.read_error is not None:
            raise self.read_error
        return super().read(key)

    def delete(self, keys: object) -> None:
        raise AssertionError("a commit deletes nothing")


def test_a_first_write_is_ours() -> None:
    store = Scripted()
    assert commit_result(store, 7, b"mine") is Outcome.OURS
    assert store.read(result_key(7)) == b"mine"


def test_an_object_of_another_writer_is_theirs() -> None:
    store = Scripted()
    store.replace("k", b"other")
    assert create_once(store, "k", b"mine") is Outcome.THEIRS
    assert store.read("k") == b"other"


def test_a_lost_response_is_read_back_as_ours() -> None:
    assert create_once(Scripted("lose_response"), "k", b"mine") is Outcome.OURS


def test_a_hidden_retry_that_met_its_own_object_is_ours() -> None:
    store = Scripted("exists")
    store.replace("k", b"mine")
    assert create_once(store, "k", b"mine") is Outcome.OURS


def test_a_lost_request_is_sent_again() -> None:
    assert create_once(Scripted(*["lose_request"] * (ATTEMPTS - 1)), "k", b"m") is Outcome.OURS


def test_a_lost_response_to_a_refused_write_is_theirs() -> None:
    store = Scripted("lose_request")
    store.replace("k", b"other")
    assert create_once(store, "k", b"mine") is Outcome.THEIRS


@pytest.mark.parametrize(
    "make",
    [
        lambda: Scripted(*["lose_request"] * ATTEMPTS),
        lambda: Scripted(*["exists"] * ATTEMPTS),
        lambda: Scripted("lose_response", read_error=ConnectionError("down")),
        lambda: Scripted("exists", read_error=PermissionError("may write, not read")),
    ],
)
def test_what_cannot_be_seen_is_unknown_and_nothing_is_deleted(
    make: Callable[[], Scripted],
) -> None:
    with pytest.raises(UnknownWriteError, match="k: the write may have landed"):
        create_once(make(), "k", b"mine")


def test_a_full_disk_is_not_a_race() -> None:
    class Full(MemoryStore):
        def create(self, key: str, data: bytes) -> None:
            raise OSError(28, "the disk is full")

    with pytest.raises(OSError, match="disk is full"):
        create_once(Full(), "k", b"mine")
