"""A run's status comes from its objects alone, and a silent driver is noticed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from checkpoints import keys
from checkpoints.cancel import request_cancel
from checkpoints.errors import NoRunError
from checkpoints.local_store import LocalStore
from checkpoints.memory_store import MemoryStore
from checkpoints.run import RunRecord, fingerprint, open_run
from checkpoints.store import Store
from jobs.cli.errors import CommandError
from jobs.runs import find_runs
from jobs.status import STALE, STALE_AFTER_S, UNCHANGED_S, read_status, wait_for_end
from jobs.wording.run import run_cells, status_lines
from pipeline.progress import Snapshot, State
from pipeline.status import save_status

STARTED = 1_000_000.0
SNAPSHOT = Snapshot(
    state=State.IN_PROGRESS,
    run_id="abc",
    documents_total=100,
    documents_ok=40,
    documents_error=2,
    documents_restored=0,
    shards_total=4,
    shards_done=1,
    prompt_tokens=1000,
    output_tokens=100,
    prompt_tokens_per_s=10.0,
    output_tokens_per_s=1.0,
    documents_per_s=1.0,
    elapsed_s=42.0,
    eta_s=58.0,
    cost_usd=0.5,
    engines_ready=1,
    engines_wanted=1,
    first_errors=(),
    message=None,
)


def start_run(store: Store, created_unix_s: float = STARTED, name: str = "invoices") -> None:
    identity = fingerprint({"task.prompt": "x"})
    open_run(store, RunRecord("abc", name, identity, {}, "/out", created_unix_s))


def save(store: Store, at: float, monkeypatch: pytest.MonkeyPatch, state: State) -> None:
    monkeypatch.setattr("pipeline.status.time.time", lambda: at)
    save_status(store, replace(SNAPSHOT, state=state))


def test_a_place_without_a_run_says_so() -> None:
    with pytest.raises(NoRunError, match="there is no run at /nowhere"):
        read_status(MemoryStore(), "/nowhere")


def test_a_run_goes_from_submitted_over_its_states_to_stale(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store = MemoryStore()
    start_run(store)
    assert read_status(store, "x").state(STARTED + 1) == "submitted"
    assert read_status(store, "x").state(STARTED + STALE_AFTER_S + 1) == "stale"
    save(store, STARTED + 100, monkeypatch, State.IN_PROGRESS)
    assert read_status(store, "x").state(STARTED + 101) == "in_progress"
    silent = read_status(store, "x")
    assert silent.is_stale(STARTED + 300)
    words = status_lines(silent, now_unix_s=STARTED + 300, job="job.yaml")
    assert words[-2] == (
        "stale: no word from the driver for 3m20s; it is probably gone - gleaner run job.yaml "
        "resumes"
    )


def test_a_run_that_is_over_never_gets_stale(monkeypatch: pytest.MonkeyPatch) -> None:
    store = MemoryStore()
    start_run(store)
    save(store, STARTED, monkeypatch, State.COMPLETED)
    assert read_status(store, "x").state(STARTED + 1e6) == "completed"


def test_cancel_leaves_a_request_that_status_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    store = MemoryStore()
    start_run(store)
    save(store, STARTED, monkeypatch, State.IN_PROGRESS)
    request_cancel(store, now_unix_s=STARTED)
    request_cancel(store, now_unix_s=STARTED + 1)
    assert store.read(keys.CANCEL)
    words = status_lines(read_status(store, "x"), now_unix_s=STARTED + 2, job="j")
    assert "cancel is requested" in words


def test_waiting_ends_with_the_run_or_with_its_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    store, now = MemoryStore(), [STARTED]
    start_run(store)
    save(store, STARTED, monkeypatch, State.IN_PROGRESS)

    def sleep(seconds: float) -> None:
        now[0] += seconds
        if now[0] >= STARTED + 3:
            save(store, now[0], monkeypatch, State.CANCELLED)

    end = wait_for_end(store, "x", timeout_s=50, sleep=sleep, now_unix_s=lambda: now[0])
    assert end.snapshot is not None
    assert end.snapshot.state is State.CANCELLED


def test_waiting_goes_on_for_a_driver_whose_clock_is_behind(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store, now, behind_s = MemoryStore(), [STARTED], 10 * STALE_AFTER_S
    start_run(store)
    save(store, STARTED - behind_s, monkeypatch, State.IN_PROGRESS)

    def sleep(seconds: float) -> None:
        now[0] += seconds
        state = State.IN_PROGRESS if now[0] < STARTED + 100 else State.COMPLETED
        save(store, now[0] - behind_s, monkeypatch, state)

    end = wait_for_end(store, "x", timeout_s=500, sleep=sleep, now_unix_s=lambda: now[0])
    assert end.snapshot is not None
    assert end.snapshot.state is State.COMPLETED


def test_waiting_ends_soon_where_the_driver_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    store, now = MemoryStore(), [STARTED + 10 * STALE_AFTER_S]
    start_run(store)
    save(store, STARTED, monkeypatch, State.IN_PROGRESS)

    def sleep(seconds: float) -> None:
        now[0] += seconds

    began_s = now[0]
    end = wait_for_end(store, "x", timeout_s=500, sleep=sleep, now_unix_s=lambda: now[0])
    assert end.state(now[0]) == STALE
    assert now[0] - began_s == pytest.approx(UNCHANGED_S, abs=2)


def test_waiting_gives_up(monkeypatch: pytest.MonkeyPatch) -> None:
    store, now = MemoryStore(), [STARTED]
    start_run(store)

    def sleep(seconds: float) -> None:
        now[0] += seconds
        save(store, now[0], monkeypatch, State.IN_PROGRESS)

    with pytest.raises(TimeoutError, match="the run is still in_progress"):
        wait_for_end(store, "x", timeout_s=5, sleep=sleep, now_unix_s=lambda: now[0])


def test_runs_are_found_below_a_place_newest_first_and_not_inside_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for place, created, name in [
        ("team/a-checkpoint", STARTED, "a"),
        ("b-checkpoint", STARTED + 10, "b"),
        ("b-checkpoint/journal/c", STARTED, "hidden"),
    ]:
        start_run(LocalStore(tmp_path / place), created, name)
    save(LocalStore(tmp_path / "b-checkpoint"), STARTED + 10, monkeypatch, State.IN_PROGRESS)
    found = find_runs(str(tmp_path), lambda uri: LocalStore(Path(uri)))
    assert [run.status.name for run in found] == ["b", "a"]
    assert run_cells(found[0], now_unix_s=STARTED + 70) == (
        "b",
        "abc",
        "in_progress",
        "42/100",
        "2",
        "$0.5000",
        "1m00s",
        str(tmp_path / "b-checkpoint"),
    )


def test_a_place_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="check the place"):
        find_runs(str(tmp_path / "gone"), lambda uri: LocalStore(Path(uri)))
