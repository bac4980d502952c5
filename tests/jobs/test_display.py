"""Progress reads well wherever it goes, and news never waits."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import pytest
from rich.console import Console

from checkpoints.result import Rework
from jobs.display import JsonDisplay, LiveDisplay, PlainDisplay, display_for
from jobs.watch.view import live_view
from jobs.wording.interruptions import interruption_lines
from jobs.wording.numbers import duration, rate, usd
from jobs.wording.run import plain_line, summary_lines
from pipeline.interruptions import Interruption, Interruptions
from pipeline.meter import EngineStarts
from pipeline.node_watch import NodeWatch
from pipeline.progress import ErrorKind, Snapshot, State

SNAPSHOT = Snapshot(
    state=State.IN_PROGRESS,
    run_id="abc",
    documents_total=12_000,
    documents_ok=2_990,
    documents_error=10,
    documents_restored=500,
    shards_total=40,
    shards_done=9,
    prompt_tokens=1_500_000,
    output_tokens=90_000,
    prompt_tokens_per_s=5_000.0,
    output_tokens_per_s=300.0,
    documents_per_s=10.0,
    elapsed_s=300.0,
    eta_s=900.0,
    cost_usd=1.25,
    engines_ready=2,
    engines_wanted=4,
    first_errors=(),
    message=None,
)
TOO_LONG = ErrorKind("too_long", 10, "doc-7", "9000 tokens\nfit into 4096")


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def plain() -> tuple[PlainDisplay, Clock, io.StringIO]:
    clock, text = Clock(), io.StringIO()
    return PlainDisplay(Console(file=text, width=60), clock), clock, text


def lines(text: io.StringIO) -> list[str]:
    """What was printed since the last look, without the times of day."""
    printed = [line.split(" ", 1)[1] for line in text.getvalue().splitlines()]
    text.truncate(0)
    text.seek(0)
    return printed


def test_a_line_holds_everything_that_moves() -> None:
    assert plain_line(SNAPSHOT) == (
        "in_progress | 3,000/12,000 documents | 10 errors | 9/40 shards | 10.0/s | tokens in "
        "5,000/s out 300/s | engines 2/4 | left 15m00s | elapsed 5m00s | $1.25"
    )


def test_a_line_of_a_run_that_is_over_has_no_rates() -> None:
    assert plain_line(replace(SNAPSHOT, state=State.COMPLETED)) == (
        "completed | 3,000/12,000 documents | 10 errors | 9/40 shards | elapsed 5m00s | $1.25"
    )


def test_an_interruption_is_told_when_it_comes_and_when_it_ends() -> None:
    display, _, text = plain()
    display.show(SNAPSHOT)
    lines(text)
    told = Interruption("e", "0123456789", "small", noticed_unix_s=10.0, deadline_unix_s=130.0)
    for _ in range(2):
        display.show(replace(SNAPSHOT, interruptions=Interruptions(events=(told,))))
    [line] = lines(text)
    assert line.startswith("an engine of small on node 01234567 has to go by ")
    over = replace(told, ended_unix_s=22.0, documents=40, handed_back=3)
    for _ in range(2):
        display.show(replace(SNAPSHOT, interruptions=Interruptions(events=(over,))))
    assert lines(text) == [
        "an engine of small on node 01234567 is empty 12s after its notice: 40 documents "
        "finished, 3 handed back"
    ]


def test_what_earlier_attempts_met_is_no_news() -> None:
    display, _, text = plain()
    lost = Interruption("e", "0123456789", "small", is_lost=True, ended_unix_s=5.0)
    known = replace(SNAPSHOT, first_errors=(TOO_LONG,), interruptions=Interruptions(events=(lost,)))
    display.show(replace(known, state=State.VALIDATING))
    display.show(known)
    assert lines(text) == ["state: validating", "state: in progress"]


def test_the_summary_says_what_interruptions_did() -> None:
    its = Interruptions(
        notices=2,
        losses=1,
        restarted_documents=9,
        finished_under_notice=40,
        tokens_under_notice=900,
        handed_back=30,
        longest_drain_s=12.0,
        used_s=11.0,
        rework=Rework(
            documents=8,
            tokens=200,
            engine_s=2.5,
            gpu_s=5.0,
            usd=0.01,
            salvaged_tokens=700,
            prefilled_again_tokens=5_200,
        ),
        starts=EngineStarts(150.0, 0.5, 62.0, 0.2),
    )
    assert interruption_lines(its) == [
        "interruptions: 2 with notice, 1 lost before they were empty",
        "under notice: 40 documents finished (900 tokens) in 11s of work, 30 handed back; longest "
        "drain 12s",
        "salvaged: 700 tokens of unfinished answers",
        "done twice: 8 documents, at most 200 tokens, 2.5 engine seconds (5.0 GPU seconds), "
        "$0.0100",
        "prompts computed again: 5,200 tokens, with what was continued",
        "engine starts: 2m30s ($0.5000), of it 1m02s ($0.2000) for replacements",
        "begun again after the driver or a coordinator died: about 9 documents",
    ]
    assert interruption_lines(Interruptions()) == []
    said = summary_lines(replace(SNAPSHOT, interruptions=its), output="out", job="job.yaml")
    assert set(interruption_lines(its)) <= set(said)


UNHEARD = "aws spot/instance-action: does not answer in time; let pods reach it"


def watched(**changes: object) -> Snapshot:
    watch = NodeWatch(source="aws", nodes=3, **changes)  # type: ignore[arg-type]
    return replace(SNAPSHOT, node_watch=watch)


def test_how_nodes_are_watched_is_told_once_and_its_trouble_at_once() -> None:
    display, _, text = plain()
    display.show(SNAPSHOT)
    lines(text)
    for _ in range(2):
        display.show(watched())
    assert lines(text) == ["notices: aws is asked on 3 nodes, 0 seen"]
    for nodes_in_trouble in (2, 3):
        display.show(watched(nodes_in_trouble=nodes_in_trouble, trouble=UNHEARD))
    assert lines(text) == [f"notices may be missed: 2 nodes now; {UNHEARD}"]
    display.show(watched(trouble=UNHEARD, notices=1))
    assert lines(text) == ["notices: aws is asked on 3 nodes, 1 seen"]


def test_a_head_that_goes_is_told_with_what_will_happen() -> None:
    display, _, text = plain()
    display.show(watched())
    lines(text)
    for _ in range(2):
        display.show(watched(head_goes_by_unix_s=1_700_000_000.0))
    [line] = lines(text)
    assert line.startswith("the cluster's head goes by ")
    assert line.endswith("the same command on a new cluster resumes")


def test_a_run_that_was_not_protected_says_so_to_its_end() -> None:
    its = replace(watched(trouble=UNHEARD), state=State.COMPLETED)
    assert f"notices may have been missed: {UNHEARD}" in summary_lines(its, output="o", job="j")
    bare = replace(SNAPSHOT, node_watch=NodeWatch(source="auto", nodes_without_source=2))
    [line] = [one for one in summary_lines(bare, output="o", job="j") if "notices" in one]
    assert line.startswith("nodes without notices: 2; no cloud is known there")


def test_a_plain_line_comes_every_30_seconds() -> None:
    display, clock, text = plain()
    display.show(SNAPSHOT)
    assert lines(text) == ["state: in progress"]
    clock.now = 29.0
    display.show(SNAPSHOT)
    assert lines(text) == []
    clock.now = 30.0
    display.show(SNAPSHOT)
    assert lines(text) == [plain_line(SNAPSHOT)]
    clock.now = 59.0
    display.show(SNAPSHOT)
    assert lines(text) == []


def test_the_first_error_of_a_kind_and_a_new_state_are_told_at_once_and_once() -> None:
    display, _, text = plain()
    display.show(SNAPSHOT)
    lines(text)
    display.show(replace(SNAPSHOT, first_errors=(TOO_LONG,)))
    assert lines(text) == [
        "first error of its kind: too_long x 10, e.g. document doc-7: 9000 tokens fit into 4096"
    ]
    display.show(replace(SNAPSHOT, first_errors=(replace(TOO_LONG, count=99),)))
    assert lines(text) == []
    display.show(replace(SNAPSHOT, state=State.WAITING_FOR_ENGINES, message="no GPU to be had"))
    assert lines(text) == ["state: waiting for engines (2 of 4 ready): no GPU to be had"]
    display.show(replace(SNAPSHOT, state=State.WAITING_FOR_CAPACITY, engines_ready=0))
    assert lines(text) == ["state: waiting for capacity (0 of 4 ready)"]


def test_the_live_view_shows_the_whole_picture() -> None:
    console = Console(record=True, width=100, file=io.StringIO(), force_terminal=True)
    with LiveDisplay(console) as display:
        display.show(replace(SNAPSHOT, first_errors=(TOO_LONG,)))
    shown = console.export_text()
    for part in (
        "in progress",
        "3,000 of 12,000 25.0 % (2,990 ok, 10 error, 500 kept), 10.0/s",
        "9 of 40",
        "in 1,500,000 (5,000/s), out 90,000 (300/s)",
        "2 of 4 ready",
        "5m00s elapsed, 15m00s left",
        "$1.25 so far",
        "too_long x 10, e.g. document doc-7",
    ):
        assert part in shown


def test_a_view_before_anything_is_known_does_not_fail() -> None:
    nothing = replace(
        SNAPSHOT, documents_total=0, documents_ok=0, documents_error=0, eta_s=None, cost_usd=0.0
    )
    console = Console(record=True, width=100, file=io.StringIO())
    console.print(live_view(nothing))
    assert "unknown left" in console.export_text()


def test_markup_in_a_document_is_shown_as_it_is() -> None:
    display, _, text = plain()
    error = ErrorKind("invalid_output", 1, "[red]x[/red]", "[/] [bold")
    display.show(replace(SNAPSHOT, first_errors=(error,)))
    assert "document [red]x[/red]: [/] [bold" in text.getvalue()


def test_json_lines_are_as_frequent_as_plain_ones(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    display = JsonDisplay(Console(stderr=True), clock)
    for now in (0.0, 1.0, 31.0):
        clock.now = now
        display.show(SNAPSHOT)
    written = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["event"] for line in written] == ["progress", "progress"]
    assert written[0]["state"] == "in_progress"
    assert written[0]["documents_total"] == 12_000


def test_the_display_fits_the_place() -> None:
    terminal = Console(file=io.StringIO(), force_terminal=True)
    pipe = Console(file=io.StringIO(), force_terminal=False)
    assert isinstance(display_for(terminal, as_json=False), LiveDisplay)
    assert type(display_for(pipe, as_json=False)) is PlainDisplay
    assert isinstance(display_for(terminal, as_json=True), JsonDisplay)


def test_the_summary_says_what_came_out_and_what_to_do_next() -> None:
    done = replace(SNAPSHOT, state=State.COMPLETED, documents_ok=11_990, first_errors=(TOO_LONG,))
    assert summary_lines(done, output="s3://b/out/", job="job.yaml") == [
        "completed",
        "12,000 of 12,000 documents: 11,990 ok, 10 error",
        "1,590,000 tokens (1,500,000 in, 90,000 out), $1.25, 5m00s in all attempts",
        "500 documents kept from earlier attempts",
        "too_long x 10, e.g. document doc-7: 9000 tokens fit into 4096",
        "results: s3://b/out/results/*.parquet",
        "next: gleaner verify job.yaml",
    ]
    stopped = replace(SNAPSHOT, state=State.CANCELLED)
    assert summary_lines(stopped, output="o", job="j")[-1] == (
        "next: gleaner run j takes it up where it is"
    )


def test_numbers_keep_what_matters() -> None:
    assert [duration(s) for s in (None, 4.4, 61, 3_725, 200_000)] == [
        "unknown",
        "4s",
        "1m01s",
        "1h02m",
        "2d07h",
    ]
    assert [usd(a) for a in (0.0, 0.00321, 1234.5)] == ["$0.00", "$0.0032", "$1,234.50"]
    assert [rate(r) for r in (0.25, 99.94, 1500.0)] == ["0.2/s", "99.9/s", "1,500/s"]
