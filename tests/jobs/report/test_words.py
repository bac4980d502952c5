"""Headline, costs, errors and interruptions in words."""

from __future__ import annotations

from dataclasses import replace

import pytest

from checkpoints.steps import Tally
from checkpoints.verify import Verdict
from jobs.report.amounts import cost_of_documents, share, significant
from jobs.report.data import Report, tier_work
from jobs.report.escalation import reason_bars
from jobs.report.headline import cards, notices
from jobs.report.tradeoff import options_table
from jobs.report.work import errors, interruption_rows, interruptions, saving_lines
from pipeline.interruptions import NO_INTERRUPTIONS, Interruptions
from pipeline.progress import ErrorKind, State
from tests.jobs.report.report_builders import (
    STARTED,
    Size,
    certificate,
    events,
    interruptions_of,
    priced,
    receipts,
    report_of,
    routed_report,
    snapshot,
    stored,
)


def shown(report: Report) -> dict[str, tuple[str, str]]:
    return {card.name: (card.value, card.note) for card in cards(report)}


def running(monkeypatch: pytest.MonkeyPatch, state: State = State.IN_PROGRESS) -> Report:
    size = Size(10)
    made = receipts(size)[:4]
    checkpoint = stored(made, snapshot(made, size, state, eta_s=90.0), size, monkeypatch)
    return report_of(checkpoint, now_unix_s=made[-1].committed_unix_s + 6)


def test_the_headline_of_a_run_that_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    found = shown(running(monkeypatch))
    assert found["state"] == ("in progress", "2 of 3 engines")
    assert found["documents"] == ("2,000", "of 5,000, 40.0 %")
    assert found["errors"] == ("1", "0.05 %")
    assert found["time"] == ("3m00s", "1m30s left")
    assert found["cost"] == ("$2.00", "$1.00 per 1,000 documents")
    assert found["proof"][0] == "not known"


def test_a_proof_is_claimed_only_where_it_was_made(monkeypatch: pytest.MonkeyPatch) -> None:
    report = running(monkeypatch, State.COMPLETED)
    sound = Verdict(documents=9, ok=9, error=0, missing=0, duplicate=0, extra=0, problems=())
    assert shown(replace(report, verdict=sound))["proof"][0] == "proven"
    lost = replace(sound, missing=1, problems=("shard 3 has no result",))
    assert shown(replace(report, verdict=lost))["proof"][0] == "not proven"
    assert "shard 3 has no result" in notices(replace(report, verdict=lost))


def test_a_silent_driver_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    report = running(monkeypatch)
    assert notices(report) == ()
    late = replace(report, made_unix_s=report.made_unix_s + 300)
    assert shown(late)["state"][0] == "stale"
    assert any("no word from the driver for 5m" in line for line in notices(late))


def test_the_saving_is_against_the_strong_tier_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    report = routed_report(monkeypatch, Size(20))
    small = tier_work("small", Tally(60, {"unsure": 40}, cost_usd=2.0), priced("small", 1), True)
    large = tier_work("large", Tally(40, {}, cost_usd=4.4), priced("large", 1), True)
    by_itself = replace(report, tiers=(small, large), certificate=None)
    (line,) = saving_lines(by_itself)
    assert "saves 41.8 % against large alone: $6.40 instead of about $11.00" in line
    dearer = replace(small, cost=20.0)
    assert "costs more by 121.8 %" in saving_lines(replace(by_itself, tiers=(dearer, large)))[0]
    assert saving_lines(replace(by_itself, tiers=(large,))) == []
    expected = saving_lines(replace(report, tiers=(small, large)))[1]
    assert expected.startswith("The sample lets expect 22.8 %")
    foreign = replace(report, tiers=(small, large), is_own_sample=False)
    assert "$6.40 instead of about $11.00" in saving_lines(foreign)[0]  # not by its costs


def test_without_prices_costs_are_seconds_of_a_whole_engine() -> None:
    work = tier_work("small", Tally(kept=1, engine_s=32.0), priced("small", 0.0), is_priced=False)
    slots = priced("small", 0.0).in_flight_per_replica
    assert work.cost == work.engine_s == 32.0 / slots
    assert cost_of_documents(0.0123, "engine seconds") == "12.3 s"


def test_errors_stand_by_their_frequency_with_one_short_example(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    report = running(monkeypatch)
    assert report.status.snapshot is not None
    kinds = (
        ErrorKind("too_long", 2, "a.pdf", "x" * 500),
        ErrorKind("empty_text", 9, None, None),
    )
    status = replace(report.status, snapshot=replace(report.status.snapshot, first_errors=kinds))
    section = errors(replace(report, status=status))
    assert section is not None
    (bars,) = section.parts
    assert bars.kind == "bars"
    assert [(row.name, row.length, row.note[:20]) for row in bars.rows] == [
        ("empty_text", 1.0, ""),
        ("too_long", 2 / 9, "e.g. document a.pdf:"),
    ]
    assert len(bars.rows[1].note) < 230


def test_interruptions_are_told_in_the_words_of_status(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = {
        name: (amount, words)
        for name, amount, words in interruption_rows(interruptions_of(events(8, STARTED)))
    }
    assert rows["with notice"][0] == "7"
    assert rows["lost before they were empty"][0] == "2"
    assert rows["done twice"][0] == "32"
    assert "at most 1,150 tokens" in rows["done twice"][1]
    assert rows["begun again"][0] == "about 16"
    assert interruption_rows(NO_INTERRUPTIONS) == ()
    assert interruptions(running(monkeypatch)) is None
    assert [row[0] for row in interruption_rows(Interruptions(losses=1))] == [
        "lost before they were empty"
    ]


def test_reasons_are_counted_over_all_tiers_but_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    report = routed_report(monkeypatch, Size(20))
    works = {
        "small": Tally(1, {"unsure": 3, "too_long": 1}),
        "medium": Tally(1, {"unsure": 2}),
        "large": Tally(1, {"refused": 50}),
    }
    tiers = tuple(tier_work(name, tally, None, True) for name, tally in works.items())
    found = reason_bars(replace(report, tiers=tiers))
    assert found is not None
    assert [(row.name, row.value) for row in found.rows] == [("unsure", "5"), ("too long", "1")]


def test_the_taken_way_is_marked_among_all(monkeypatch: pytest.MonkeyPatch) -> None:
    report = routed_report(monkeypatch, Size(20))
    assert report.is_own_sample
    table = options_table(certificate())
    assert table.marked == 2
    assert table.rows[0][:4] == ("small", "$0.200", "7.1 %", "not tested")
    assert table.rows[2][0] == "small -> large"
    assert options_table(certificate(is_cascade=False)).marked == 1


@pytest.mark.parametrize(
    ("number", "words"),
    [(0.0, "0"), (0.0012345, "0.00123"), (12.345, "12.3"), (45678.9, "45,679"), (-0.5, "-0.500")],
)
def test_small_numbers_keep_three_digits(number: float, words: str) -> None:
    assert significant(number) == words


def test_a_share_is_never_rounded_to_a_lie() -> None:
    assert share(0.0004) == "0.04 %"
    assert share(-0.00001) == "0.00 %"
    assert share(0.0) == "0.0 %"
    assert share(float("nan")) == "unknown"
