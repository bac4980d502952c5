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
from jobs.chaos.report import Report, account_table
from jobs.chaos.timeline import Conduct
from pipeline.interruptions import Interruptions
from pipeline.meter import EngineStarts

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
    losses_under_notice=0,
    handed_back=20,
    salvaged_tokens=300,
    redone_documents=5,
    restarted_documents=2,
    redone_tokens=60,
    redone_engine_s=1.5,
    redone_gpu_s=1.5,
    redone_usd=0.25,
    prefilled_again_tokens=90,
    restart_s=25.0,
    restart_usd=0.5,
    finished_under_notice=40,
    tokens_under_notice=1200,
    notice_used_s=7.5,
    dropped_tokens=30,
    longest_drain_s=9.0,
)
NOTICED = Outage(Moment(0.3), 1, 12)
REPORT = Report(Schedule("s", 3, (NOTICED,)), DONE, GOOD, ACCOUNT)
FAILED_IN_ENGINE = replace(
    GOOD, ok=0, error=10, error_codes=(("engine_crash", 6), ("timeout", 3), ("empty_text", 1))
)
UNHEARD = replace(ACCOUNT, notices=0)
LOST = replace(ACCOUNT, losses=1, losses_under_notice=1)
LOST_UNHEARD = replace(ACCOUNT, notices=1, losses=1)  # another node's engine had the notice


def with_outages_left(report: Report, *left: Outage) -> Report:
    return replace(report, conduct=replace(report.conduct, outages_left=left))


def shown(report: Report) -> dict[object, object]:
    """The account as people see it: the words of each line, and its number."""
    words, numbers = account_table(report).columns
    return dict(zip(words.cells, numbers.cells, strict=True))


def test_a_run_that_ended_with_everything_proven_has_passed() -> None:
    assert REPORT.has_passed
    assert REPORT.fields()["proven"] is True


@pytest.mark.parametrize(
    ("report", "words"),
    [
        (replace(REPORT, verdict=None), "nothing was planned"),
        (replace(REPORT, verdict=replace(GOOD, missing=1)), "1 missing"),
        (replace(REPORT, verdict=replace(GOOD, duplicate=1)), "1 duplicate"),
        (replace(REPORT, verdict=replace(GOOD, extra=1)), "1 extra"),
        (replace(REPORT, verdict=replace(GOOD, problems=("a shard is damaged",))), "is damaged"),
        (replace(REPORT, conduct=replace(DONE, problem="it ended with 1")), "it ended with 1"),
        (replace(REPORT, accounting=None), "no account"),
        (replace(REPORT, verdict=FAILED_IN_ENGINE), "9 of 10 failed in the engine (engine_crash 6"),
        (replace(REPORT, accounting=UNHEARD), "notices given: 1, but no engine"),
        (replace(REPORT, accounting=LOST), "lost with work although their nodes had their full"),
        (replace(REPORT, accounting=LOST_UNHEARD), "had their full notice: 1"),
        (with_outages_left(REPORT, NOTICED), "over before node 1 at 30%: give it more documents"),
    ],
)
def test_anything_less_has_not_passed_and_says_why(report: Report, words: str) -> None:
    assert not report.has_passed
    [problem] = report.problems
    assert words in problem
    assert report.fields()["proven"] is False
    assert report.fields()["problems"] == [problem]


def test_errors_of_documents_and_some_of_the_engine_are_results_like_others() -> None:
    some = replace(GOOD, error_codes=(("engine_crash", 1),))
    assert replace(REPORT, verdict=some).has_passed
    only_bad = replace(GOOD, ok=0, error=10, error_codes=(("output_truncated", 10),))
    assert replace(REPORT, verdict=only_bad).has_passed


def test_a_run_that_was_stopped_is_not_told_to_have_more_documents() -> None:
    stopped = replace(REPORT, conduct=replace(DONE, problem="it took too long"))
    assert with_outages_left(stopped, NOTICED).problems == (
        "it took too long",
        "never played: node 1 at 30%",
    )


def test_of_many_outages_that_were_left_the_first_are_named() -> None:
    left = tuple(Outage(Moment(after_s=10 * place), 1) for place in range(1, 9))
    report = with_outages_left(replace(REPORT, schedule=Schedule("s", 3, left)), *left)
    [problem] = report.problems
    assert "node 1 at 10 s, node 1 at 20 s, node 1 at 30 s and 5 more outages" in problem


def test_of_a_trace_some_has_to_be_played_but_not_all() -> None:
    later = Outage(Moment(0.6), 2)
    trace = replace(REPORT, schedule=Schedule("t", 3, (NOTICED, later), is_open_ended=True))
    assert with_outages_left(trace, later).has_passed
    assert not with_outages_left(trace, NOTICED, later).has_passed


def test_a_notice_of_which_the_node_dies_early_may_be_unheard() -> None:
    early = replace(REPORT, schedule=Schedule("s", 3, (replace(NOTICED, dies_after_s=1.2),)))
    assert replace(early, accounting=UNHEARD).has_passed


def test_an_engine_may_be_lost_where_its_node_died_before_its_time() -> None:
    early, killed = replace(NOTICED, dies_after_s=1.2), replace(NOTICED, notice_s=0)
    lost = replace(REPORT, accounting=LOST)
    assert replace(lost, schedule=Schedule("s", 3, (early,))).has_passed
    assert replace(lost, schedule=Schedule("s", 3, (early, NOTICED))).has_passed
    unheard = replace(REPORT, accounting=LOST_UNHEARD)
    assert replace(unheard, schedule=Schedule("s", 3, (killed, NOTICED))).has_passed
    # A kill excuses one that vanished, not one that had its notice.
    assert not replace(lost, schedule=Schedule("s", 3, (killed, NOTICED))).has_passed


def test_people_see_what_was_played_and_what_notices_were_used_for() -> None:
    found = shown(REPORT)
    expected = {"seconds of notices used for work": "7.5", "tokens finished under notice": "1,200"}
    expected |= {"tokens dropped": "30", "tokens salvaged": "300", "outages played": "1 of 1"}
    assert {words: found[words] for words in expected} == expected


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
        tokens_under_notice=1200,
        used_s=7.5,
        dropped_tokens=30,
        longest_drain_s=9.0,
        rework=Rework(
            documents=3,
            tokens=60,
            engine_s=1.5,
            gpu_s=1.5,
            usd=0.25,
            salvaged_tokens=300,
            prefilled_again_tokens=90,
        ),
        starts=EngineStarts(100.0, 2.0, 25.0, 0.5),
    )
    store.replace(keys.MANIFEST, json.dumps({"interruptions": asdict(counted)}).encode())
    assert read_accounting(store) == ACCOUNT


def test_an_account_that_lacks_a_field_is_refused() -> None:
    store = MemoryStore()
    store.replace(keys.MANIFEST, json.dumps({"interruptions": {"notices": 1}}).encode())
    with pytest.raises(CorruptObjectError, match="no account"):
        read_accounting(store)
