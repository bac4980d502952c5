"""status.json and manifest.json."""

import json
from dataclasses import replace

import pytest

from checkpoints import keys
from checkpoints.errors import CorruptObjectError, NewerFormatError
from checkpoints.memory_store import MemoryStore
from checkpoints.result import Rework
from checkpoints.run import read_run
from pipeline.interruptions import Interruption, Interruptions
from pipeline.manifest import write_manifest
from pipeline.meter import NO_STARTS, EngineStarts
from pipeline.node_watch import UNWATCHED, NodeWatch
from pipeline.progress import ErrorExample, ErrorKind, Snapshot, State
from pipeline.status import Past, past_attempts, read_status, save_status
from tests.pipeline.engine_builders import FINGERPRINT, plan

EVENTS = (Interruption("e", "node-1", "small", noticed_unix_s=5.0, documents=4),)
STARTS = EngineStarts(9.0, 0.9, 3.0, 0.3)
ITS = Interruptions(notices=1, rework=Rework(documents=3, usd=0.5), starts=STARTS, events=EVENTS)
SNAPSHOT = Snapshot(
    state=State.IN_PROGRESS,
    run_id="run",
    documents_total=100,
    documents_ok=40,
    documents_error=2,
    documents_restored=10,
    shards_total=5,
    shards_done=2,
    prompt_tokens=1000,
    output_tokens=200,
    prompt_tokens_per_s=10.0,
    output_tokens_per_s=2.0,
    documents_per_s=0.5,
    elapsed_s=84.0,
    eta_s=None,
    cost_usd=1.25,
    engines_ready=1,
    engines_wanted=2,
    first_errors=(ErrorKind("timeout", 2, "id-3", "slow"), ErrorKind("too_long", 1, None, None)),
    message=None,
    unsaved=7,
    interruptions=ITS,
    node_watch=NodeWatch(source="aws", nodes=2, trouble="why", head_goes_by_unix_s=5.0),
)


PAST = Past(
    cost_usd=1.25,
    elapsed_s=84.0,
    unsaved=7,
    interruptions=ITS,
    examples={"timeout": ErrorExample("timeout", "id-3", "slow")},
)


def test_a_saved_snapshot_comes_back_whole() -> None:
    store = MemoryStore()
    save_status(store, SNAPSHOT)
    saved = read_status(store)
    assert saved is not None
    assert saved.snapshot == SNAPSHOT
    assert isinstance(saved.snapshot.state, State)


def test_the_last_one_saved_is_what_is_read() -> None:
    store = MemoryStore()
    save_status(store, SNAPSHOT)
    save_status(store, replace(SNAPSHOT, state=State.FAILED, message="why", eta_s=3.0))
    saved = read_status(store)
    assert saved is not None
    assert (saved.snapshot.state, saved.snapshot.message) == (State.FAILED, "why")


def test_nothing_saved_is_no_status_and_no_spend() -> None:
    assert read_status(MemoryStore()) is None
    assert past_attempts(MemoryStore()) == Past()


def test_what_was_spent_and_seen_is_carried_over() -> None:
    store = MemoryStore()
    save_status(store, SNAPSHOT)
    assert past_attempts(store) == PAST


def test_a_run_can_be_resumed_by_a_version_with_other_fields() -> None:
    store = MemoryStore()
    save_status(store, SNAPSHOT)
    value = json.loads(store.read(keys.STATUS))
    value["snapshot"]["a_later_field"] = 1
    del value["snapshot"]["engines_wanted"]
    store.replace(keys.STATUS, json.dumps(value).encode())
    assert past_attempts(store) == PAST
    with pytest.raises(CorruptObjectError, match=r"status\.json"):
        read_status(store)


def test_a_status_of_the_version_before_is_read() -> None:
    store = MemoryStore()
    save_status(store, SNAPSHOT)
    value = json.loads(store.read(keys.STATUS))
    del value["snapshot"]["node_watch"]
    its = value["snapshot"]["interruptions"]
    del its["starts"], its["losses_under_notice"], its["rework"]["prefilled_again_tokens"]
    store.replace(keys.STATUS, json.dumps(value).encode())
    before = replace(ITS, starts=NO_STARTS)
    assert past_attempts(store) == replace(PAST, interruptions=before)
    saved = read_status(store)
    assert saved is not None
    assert saved.snapshot == replace(SNAPSHOT, interruptions=before, node_watch=UNWATCHED)


@pytest.mark.parametrize("data", [b"{", b"[]", b'{"format_version": 1}'])
def test_a_damaged_status_says_which_object_it_is(data: bytes) -> None:
    store = MemoryStore()
    store.replace(keys.STATUS, data)
    with pytest.raises(CorruptObjectError, match=r"status\.json"):
        read_status(store)
    with pytest.raises(CorruptObjectError, match=r"status\.json"):
        past_attempts(store)


def test_a_status_of_a_newer_format_asks_for_an_upgrade() -> None:
    store = MemoryStore()
    store.replace(keys.STATUS, b'{"format_version": 99}')
    with pytest.raises(NewerFormatError, match="upgrade"):
        read_status(store)


def test_the_manifest_tells_counts_tokens_and_state() -> None:
    output, checkpoint = MemoryStore(), MemoryStore()
    header = plan(checkpoint, [60, 40])
    run = read_run(checkpoint)
    assert run is not None
    write_manifest(output, run, header, replace(SNAPSHOT, state=State.COMPLETED))
    value = json.loads(output.read(keys.MANIFEST))
    assert value["state"] == "completed"
    assert value["request_counts"] == {"total": 100, "completed": 40, "failed": 2}
    assert value["tokens"] == {"prompt": 1000, "output": 200}
    assert value["fingerprint"] == FINGERPRINT.value
    assert value["plan_digest"] == header.digest
    assert value["node_watch"]["trouble"] == "why"
    assert value["interruptions"]["starts"]["restart_usd"] == 0.3
    assert value["errors"][0] == {
        "code": "timeout",
        "count": 2,
        "id": "id-3",
        "reason": "slow",
    }
