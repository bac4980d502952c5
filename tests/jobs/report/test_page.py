"""The page: whole, by itself, safe, and of bounded size."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from checkpoints.errors import NoRunError
from checkpoints.memory_store import MemoryStore
from checkpoints.run import open_run
from jobs.report.page import page
from pipeline.progress import ErrorKind, State
from pipeline.routing.route_standing import RouteChange
from tests.checkpoints.checkpoint_builders import run_record
from tests.jobs.report.report_builders import (
    STARTED,
    Size,
    certificate,
    receipts,
    report_of,
    routed_report,
    snapshot,
    standing,
    stored,
)


class Reader(HTMLParser):
    """What a browser would find: tags, attributes, ids, and the words outside drawings."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.words: list[str] = []
        self.drawn: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag != "meta":
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if data.strip() and "style" not in self._open:
            (self.drawn if "svg" in self._open else self.words).append(" ".join(data.split()))

    @property
    def sections(self) -> list[str]:
        return [value for name, value in self.attributes if name == "href" and value[:1] == "#"]


def assert_stands_alone(text: str) -> None:
    """It loads nothing, runs nothing, and its drawings do not take each other's parts."""
    found = Reader(text)
    assert not {*found.tags} & {"script", "link", "img", "iframe", "object", "embed", "base"}
    assert not [name for name, _ in found.attributes if name.startswith("on")]
    for name, value in found.attributes:
        if name in ("href", "src", "xlink:href", "action"):
            assert value.startswith("#"), value
    assert not re.search(r"https?://|@import|url\((?!#)", text)
    ids = [value for name, value in found.attributes if name == "id"]
    assert len(ids) == len({*ids})
    inside = [value[1:] for name, value in found.attributes if name.endswith("href")]
    inside += re.findall(r"url\(#([^)]*)\)", text)
    assert {*inside} <= {*ids}
    assert not re.findall(r"(?:fill|stroke): #", text)  # every colour is the theme's
    assert text.isascii()


def test_a_run_with_a_route_has_every_section(monkeypatch: pytest.MonkeyPatch) -> None:
    text = page(routed_report(monkeypatch, Size(60)))
    assert_stands_alone(text)
    found = Reader(text)
    assert found.sections[:7] == [
        "#course",
        "#route",
        "#costs",
        "#escalation",
        "#audit",
        "#errors",
        "#interruptions",
    ]
    assert found.tags.count("svg") == 6
    words = " ".join(found.words)
    assert "Why: small->large saves 23 % of large alone" in words
    assert "small is kept from a score of 0.950 on: 3.1 % mean loss" in words
    assert "e.g. document report-17.pdf: the document holds no text" in words
    for label in (
        "documents/s",
        "shards committed",
        "notice",
        "lost",
        "expected cost of 1,000 documents, USD",
        "loss of quality, %",
        "certified upper bound",
        "chosen",
        "promise",
        "small alone",
        "large alone",
        "sent on, %",
        "tightened",
        "minutes since the start",
    ):
        assert label in found.drawn, label


def test_where_the_reference_answers_everything_it_is_the_chosen_point(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    size = Size(10)
    made = receipts(size)
    status = snapshot(made, size, State.COMPLETED)
    decided = certificate(is_cascade=False, why="no cascade: it does not pay")
    text = page(report_of(stored(made, status, size, monkeypatch, decided)))
    assert_stands_alone(text)
    assert "Why: no cascade: it does not pay." in Reader(text).words
    assert {"chosen", "large alone", "certified upper bound"} <= {*Reader(text).drawn}


def test_light_and_dark_have_the_same_colours_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    text = page(routed_report(monkeypatch, Size(20)))
    light, dark = re.findall(r":root \{(.*?)\}", text, flags=re.DOTALL)
    used = {*re.findall(r"var\(--(\w+)\)", text)} - {"font"}
    assert used <= {*re.findall(r"--(\w+):", light)}
    assert used <= {*re.findall(r"--(\w+):", dark)}
    assert {"ink", "faint", "first", "second", "good", "bad"} <= used
    assert "(prefers-color-scheme: dark)" in text


def test_the_same_run_gives_the_same_page(monkeypatch: pytest.MonkeyPatch) -> None:
    report = routed_report(monkeypatch, Size(20))
    assert page(report) == page(report)


def test_text_of_the_run_is_never_markup(monkeypatch: pytest.MonkeyPatch) -> None:
    bad = "<script>alert(1)</script>\"'&"
    size = Size(4)
    made = receipts(size, is_routed=True)
    status = snapshot(
        made,
        size,
        State.FAILED,
        message=bad,
        first_errors=(ErrorKind(bad, 3, bad, bad),),
        route=standing(RouteChange(STARTED + 90, None, bad)),
        tiers={bad: made[0].tiers["small"], "large": made[0].tiers["large"]},
    )
    first, *others = certificate().decision.options
    options = (replace(first, ladder=(bad,), verdict=bad), *others)
    found = certificate(why=bad, options=options)
    text = page(report_of(stored(made, status, size, monkeypatch, found)))
    assert_stands_alone(text)
    assert "<script" not in text
    words = Reader(text)
    assert sum(bad in word for word in (*words.words, *words.drawn)) >= 6


def test_a_hundred_times_the_shards_make_no_larger_page(monkeypatch: pytest.MonkeyPatch) -> None:
    small = page(routed_report(monkeypatch, Size(200)))
    large = page(routed_report(monkeypatch, Size(4000, documents=50, every_s=2.0)))
    assert len(large) < 1.3 * len(small)
    assert len(large) < 200_000


def test_a_run_that_has_only_been_submitted_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoint = MemoryStore()
    open_run(checkpoint, run_record(name="invoices", created_unix_s=STARTED))
    text = page(report_of(checkpoint))
    assert_stands_alone(text)
    assert Reader(text).words[:-1] == [
        "invoices: run run-1",
        "invoices",
        "run run-1, started 2025-10-09 08:53:20 UTC; results in memory://output",
        "state",
        "submitted",
        "proof",
        "not known",
        "gleaner report --verify proves it",
        "nothing to show yet: the driver has not reported",
    ]


def test_a_small_failed_run_without_a_route(monkeypatch: pytest.MonkeyPatch) -> None:
    size = Size(3, every_s=4.0)
    made = receipts(size)
    status = snapshot(made, size, State.FAILED, message="the error rate is above 20 %")
    text = page(report_of(stored(made, status, size, monkeypatch)))
    assert_stands_alone(text)
    words = Reader(text).words[3:-1]
    assert words == [
        *("state", "failed", "documents", "1,500", "of 1,500, 100.0 %", "errors", "1", "0.07 %"),
        *("time", "1m12s", "in all attempts"),
        *("cost", "$1.50", "$1.00 per 1,000 documents"),
        *("proof", "not known", "gleaner report --verify proves it"),
        "the error rate is above 20 %",
        *("Over time", "Cost", "Errors"),
        "Over time",
        "Documents per second, as their shards were committed.",
        "Tokens of their prompts and answers per second.",
        "Shards committed so far; the dashed line is all of them.",
        "Cost",
        "The run has cost $1.50, $1.00 per 1,000 finished documents, metered as the time of its "
        "engines at their price, also while they wait.",
        "Errors",
        "Documents that ended with an error, by its code, each with one example.",
        *("empty_text", "1", "e.g. document report-17.pdf: the document holds no text"),
    ]


def test_an_audit_and_a_sample_that_have_not_come_yet_are_left_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    size = Size(10)
    status = snapshot([], size, State.SAMPLING, route=replace(standing(), audited=0))
    text = page(report_of(stored([], status, size, monkeypatch)))
    assert_stands_alone(text)
    assert "no shard is committed yet, so there is no course to show" in Reader(text).words
    assert Reader(text).sections == []


def test_shards_without_a_receipt_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    size = Size(5)
    made = receipts(size)
    checkpoint = stored(made[:3], snapshot(made, size, State.COMPLETED), size, monkeypatch)
    words = Reader(page(report_of(checkpoint))).words
    assert "The receipts of 2 shards are not in the log; they are missing here." in words


def test_where_there_is_no_run_there_is_no_report() -> None:
    with pytest.raises(NoRunError, match="there is no run at /checkpoint"):
        report_of(MemoryStore())
