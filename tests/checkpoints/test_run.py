"""A run's identity."""

import json

import pytest

from checkpoints import keys
from checkpoints.errors import ChangedRunError, CorruptObjectError, NewerFormatError
from checkpoints.memory_store import MemoryStore
from checkpoints.run import fingerprint, open_run, read_run
from tests.checkpoints.checkpoint_builders import FINGERPRINT, run_record


def test_the_same_work_attaches_to_the_first_submit() -> None:
    store = MemoryStore()
    first = open_run(store, run_record(run_id="first"))
    second = open_run(store, run_record(run_id="second", created_unix_s=9.0))
    assert second == first == read_run(store)
    assert second.run_id == "first"


def test_changed_work_is_refused_and_names_what_changed() -> None:
    store = MemoryStore()
    open_run(store, run_record())
    other = fingerprint({"task.prompt": "Translate", "tiers[0].sampling": {"temperature": 1}})
    with pytest.raises(ChangedRunError, match="resume that run, or") as caught:
        open_run(store, run_record(fingerprint=other))
    assert caught.value.changed == ("task.prompt", "tiers[0].model", "tiers[0].sampling")
    assert "task.prompt, tiers[0].model, tiers[0].sampling" in str(caught.value)


def test_the_fingerprint_ignores_the_order_of_keys_and_nothing_else() -> None:
    one = fingerprint({"a": {"x": 1, "y": [1, 2]}, "b": None})
    assert one == fingerprint({"b": None, "a": {"y": [1, 2], "x": 1}})
    assert one.value != fingerprint({"a": {"x": 1, "y": [2, 1]}, "b": None}).value
    assert one.value != fingerprint({"a": {"x": 1, "y": [1, 2]}}).value


def test_a_newer_format_asks_for_an_upgrade() -> None:
    store = MemoryStore()
    store.create(keys.RUN, json.dumps({"format_version": 2}).encode())
    with pytest.raises(NewerFormatError, match=r"format 2.*upgrade"):
        open_run(store, run_record())


@pytest.mark.parametrize("data", [b"{", b"[]", b"{}", b'{"format_version": 1}', b"\xff"])
def test_a_damaged_record_stops_the_run(data: bytes) -> None:
    store = MemoryStore()
    store.create(keys.RUN, data)
    with pytest.raises(CorruptObjectError, match=r"run\.json"):
        read_run(store)


def test_no_run_is_none() -> None:
    assert read_run(MemoryStore()) is None
    assert FINGERPRINT.value
