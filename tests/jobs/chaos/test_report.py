"""The verdict of a rehearsal: it passes only when the run ended and every document is proven."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import pytest

from checkpoints import keys
from checkpoints.errors import CorruptObjectError
from checkpoints.memory_store import MemoryStore
from checkpoints.result import Rework
from checkpoints.verify import Verdict
from infra.spot.schedule import Moment, Outage, Schedule
from jobs.chaos.accounting import Accounting, read_accounting
from jobs.chaos.report import Report
from jobs.chaos.timeline import Conduct
from pipeline.interruptions import Interruptions

GOOD = Verdict(documents=10, ok=9, error=1, missing=0, duplicate=0, extra=0, problems=())
DONE = Conduct(
    wall_s=60.0,
    ready_s=30.0,
    driver_starts=1,
    notices_given=1,
    nodes_left=1,
    nodes_killed=1,
    nodes_started=4,
    waited_s=0.0,
    node_s_lost=12.0,
    outages_left=(),
    problem=None,
)
ACCOUNT = Accounting(
    notices=1,
    losses=0,
    handed_back=20,
    salvaged_tokens=300,
    redone_documents=5,
    restarted_documents=2,
    redone_tokens=60,
    redone_engine_s=1.5,
    redone_usd=0.25,
    finished_under_notice=40,
    longest_drain_s=9.0,
)
REPORT = Report(Schedule("s", 3, (Outage(Moment(0.3), 1, 12),)), DONE, GOOD, ACCOUNT)


def test_a_run_that_ended_with_everything_proven_has_passed() -> None:
    assert REPORT.has_passed
    assert REPORT.fields()["proven"] is True


@pytest.mark.parametrize(
    "report",
    [
        replace(REPORT, verdict=None),
        replace(REPORT, verdict=replace(GOOD, missing=1)),
        replace(REPORT, verdict=replace(GOOD, duplicate=1)),
        replace(REPORT, verdict=replace(GOOD, extra=1)),
        replace(REPORT, verdict=replace(GOOD, problems=("a shard is damaged",))),
        replace(REPORT, conduct=replace(DONE, problem="it ended with 1")),
    ],
)
def test_anything_less_has_not_passed_and_says_why(report: Report) -> None:
    assert not report.has_passed
    assert report.problems
    assert report.fields()["proven"] is False


def test_programs_get_the_proof_and_the_account_in_one_flat_object() -> None:
    left = Outage(Moment(0.9), 2)
    fields = replace(REPORT, conduct=replace(DONE, outages_left=(left,))).fields()
    fields = json.loads(json.dumps(fields))
    expected = {"missing": 0, "duplicate": 0, "redone_documents": 5, "redone_tokens": 60}
    expected |= {"salvaged_tokens": 300, "notices": 1, "documents": 10}
    assert {name: fields[name] for name in expected} == expected
    assert fields["outages_left"] == ["node 2 at 90%"]


def test_the_account_is_read_from_the_manifest() -> None:
    store = MemoryStore()
    assert read_accounting(store) is None
    counted = Interruptions(
        notices=1,
        handed_back=20,
        restarted_documents=2,
        finished_under_notice=40,
        longest_drain_s=9.0,
        rework=Rework(documents=3, tokens=60, engine_s=1.5, usd=0.25, salvaged_tokens=300),
    )
    store.replace(keys.MANIFEST, json.dumps({"interruptions": asdict(counted)}).encode())
    assert read_accounting(store) == ACCOUNT


def test_an_account_that_lacks_a_field_is_refused() -> None:
    store = MemoryStore()
    store.replace(keys.MANIFEST, json.dumps({"interruptions": {"notices": 1}}).encode())
    with pytest.raises(CorruptObjectError, match="no account"):
        read_accounting(store)
