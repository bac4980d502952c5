"""The run over time: its throughput, and its shards between the interruptions."""

from __future__ import annotations

from functools import partial

import numpy as np

from jobs.report.data import Report
from jobs.report.drawing import BAD, FAINT, FIRST, GOOD, INK, SECOND, Axes, drawn, legend_below
from jobs.report.section import Figure, Section
from jobs.report.series import bucket_edges, rates, thinned
from jobs.wording.numbers import count
from pipeline.interruptions import EVENTS_KEPT, Interruption

_ROWS = {"notice": -0.12, "empty": -0.25, "lost": -0.38}  # of the height above 0
_MARKS = {"notice": (SECOND, "v"), "empty": (GOOD, "o"), "lost": (BAD, "x")}


def course(report: Report) -> Section | None:
    """Nothing before the first commit."""
    if not len(report.history):
        return None
    parts = [
        Figure(
            drawn("rate", "documents per second over time", partial(_documents, report)),
            "Documents per second, as their shards were committed.",
        ),
        Figure(
            drawn("tokens", "tokens per second over time", partial(_tokens, report)),
            "Tokens of their prompts and answers per second.",
        ),
        Figure(
            drawn("shards", "committed shards over time", partial(_shards, report), height_in=3.0),
            _shards_caption(report),
        ),
    ]
    lines = []
    snapshot = report.status.snapshot
    if snapshot is not None and snapshot.shards_done > len(report.history):
        unknown = snapshot.shards_done - len(report.history)
        lines.append(
            f"The receipts of {count(unknown)} shards are not in the log; they are missing here."
        )
    return Section("course", "Over time", tuple(lines), tuple(parts))


def marks(
    events: tuple[Interruption, ...],
) -> dict[str, list[float]]:
    """When engines had notice, were empty, were lost: unix seconds by kind."""
    found: dict[str, list[float]] = {name: [] for name in _ROWS}
    for event in events:
        if event.noticed_unix_s is not None:
            found["notice"].append(event.noticed_unix_s)
        if event.ended_unix_s is not None:
            found["lost" if event.is_lost else "empty"].append(event.ended_unix_s)
    return found


def _documents(report: Report, axes: Axes) -> None:
    clock, history = report.clock, report.history
    edges = bucket_edges(clock, len(history))
    times = clock.since(history.committed_unix_s)
    per_s = rates(times, history.documents, edges) / clock.unit_s
    axes.stairs(per_s, edges, fill=True, color=FIRST, alpha=0.25)
    axes.stairs(per_s, edges, baseline=None, color=FIRST, linewidth=1.6)
    _label(axes, report, "documents/s")


def _tokens(report: Report, axes: Axes) -> None:
    clock, history = report.clock, report.history
    edges = bucket_edges(clock, len(history))
    times = clock.since(history.committed_unix_s)
    both = (
        ("prompts", history.prompt_tokens, FIRST),
        ("answers", history.output_tokens, SECOND),
    )
    for name, tokens, color in both:
        per_s = rates(times, tokens, edges) / clock.unit_s
        axes.stairs(per_s, edges, baseline=None, color=color, linewidth=1.6, label=name)
    _label(axes, report, "tokens/s")
    legend_below(axes)


def _shards(report: Report, axes: Axes) -> None:
    clock, history = report.clock, report.history
    done = np.arange(1, len(history) + 1, dtype=np.float64)
    times, shards = thinned(clock.since(history.committed_unix_s), done)
    axes.step(np.append(0.0, times), np.append(0.0, shards), where="post", color=FIRST)
    snapshot = report.status.snapshot
    total = len(history) if snapshot is None else max(len(history), snapshot.shards_total)
    axes.axhline(total, color=FAINT, linestyle="--", linewidth=1.0)
    _label(axes, report, "shards committed")
    events = () if snapshot is None else snapshot.interruptions.events
    axes.set_ylim(0.0, total * 1.08)
    if not events:
        return
    for name, unix_s in marks(events).items():
        color, marker = _MARKS[name]
        rows = np.full(len(unix_s), _ROWS[name] * total)
        axes.scatter(
            clock.since(np.array(unix_s)), rows, color=color, marker=marker, s=26, zorder=3
        )
    ticks = [tick for tick in axes.get_yticks() if 0 <= tick <= total]
    words = [f"{tick:,.0f}" for tick in ticks]
    axes.set_yticks([*ticks, *(row * total for row in _ROWS.values())], [*words, *_ROWS])
    axes.axhline(0.0, color=FAINT, linewidth=0.8)
    axes.set_ylim(-0.47 * total, total * 1.08)


def _shards_caption(report: Report) -> str:
    snapshot = report.status.snapshot
    words = "Shards committed so far; the dashed line is all of them."
    if snapshot is None or not snapshot.interruptions.events:
        return words
    kept = len(snapshot.interruptions.events)
    words += " Below: engines that had notice, were empty in time, or were lost before."
    if kept >= EVENTS_KEPT:
        words += f" Marks of the latest {count(kept)} engines only."
    return words


def _label(axes: Axes, report: Report, what: str) -> None:
    axes.set_xlabel(f"{report.clock.unit} since the start", color=INK)
    axes.set_ylabel(what)
    axes.set_xlim(0.0, report.clock.end)
    axes.set_ylim(bottom=0.0)
