"""How many documents are sent on to the next tier, over time, and why."""

from __future__ import annotations

from collections import Counter
from functools import partial

import numpy as np

from jobs.report.data import Report
from jobs.report.drawing import BAD, FAINT, FIRST, GOOD, INK, SECOND, Axes, drawn, legend_below
from jobs.report.section import Bars, Figure, Section, bars_of
from jobs.report.series import bucket_edges, shares, sums
from jobs.wording.numbers import count
from pipeline.routing.route import Reason
from pipeline.routing.route_standing import RouteChange

_COLORS = (FIRST, SECOND, GOOD, INK)
_WORDS: dict[str, str] = {
    Reason.SAMPLED: "in the sample, which all tiers answer",
    Reason.AUDITED: "audited: kept, but compared",
    Reason.UNSURE: "the score is below the threshold",
    Reason.SKIPPED: "skipped: it would surely be unsure",
    Reason.TOO_LONG: "the document does not fit the tier",
}
_UNUSABLE = "the answer could not be used"


def escalation(report: Report) -> Section | None:
    """Nothing before a document was sent on."""
    reasons = reason_bars(report)
    if reasons is None:
        return None
    parts: list[Figure | Bars] = []
    if escalating_tiers(report):
        label = "share of documents sent on over time"
        parts.append(Figure(drawn("escalation", label, partial(_shares, report)), _caption(report)))
    return Section("escalation", "Escalation", (), (*parts, reasons))


def escalating_tiers(report: Report) -> tuple[str, ...]:
    """Those that sent documents on by themselves, in the job's order."""
    flows = report.history.flows
    return tuple(
        work.name
        for work in report.tiers[:-1]
        if work.name in flows and flows[work.name].documents.sum() > 0
    )


def reason_bars(report: Report) -> Bars | None:
    """Why documents were sent on, all tiers but the last together, the most frequent first."""
    found = Counter[str]()
    for work in report.tiers[:-1]:
        found.update(work.tally.escalated)
    if not found:
        return None
    whole = sum(found.values())
    rows = [
        (reason.replace("_", " "), float(times), count(times), _WORDS.get(reason, _UNUSABLE))
        for reason, times in found.most_common()
    ]
    return bars_of(rows, f"Why {count(whole)} documents were sent on.")


def mark_changes(
    axes: Axes, report: Report, changes: tuple[RouteChange, ...], height: float
) -> None:
    """A line where the audit changed the route, with a word beside it."""
    for change in changes:
        (when,) = report.clock.since(np.array([change.unix_s]))
        word = "distrusted" if change.threshold is None else "tightened"
        axes.axvline(when, color=BAD, linewidth=1.0, linestyle=":")
        axes.annotate(
            word,
            (when, height),
            xytext=(-4, -2),
            textcoords="offset points",
            color=BAD,
            ha="right",
            va="top",
        )


def _shares(report: Report, axes: Axes) -> None:
    clock, history = report.clock, report.history
    edges = bucket_edges(clock, len(history))
    times = clock.since(history.committed_unix_s)
    middles = (edges[:-1] + edges[1:]) / 2
    for name, color in zip(escalating_tiers(report), _COLORS, strict=False):
        flow = history.flows[name]
        sent_on = sums(times, flow.sent_on, edges)
        share = 100 * shares(sent_on, sums(times, flow.documents, edges))
        known = ~np.isnan(share)
        axes.plot(middles[known], share[known], color=color, marker=".", label=f"sent on by {name}")
    cut = None if report.decision is None else report.decision.cut
    if cut is not None:
        axes.axhline(
            100 * cut.escalated, color=FAINT, linestyle="--", linewidth=1.2, label="expected"
        )
    snapshot = report.status.snapshot
    if snapshot is not None and snapshot.route is not None:
        mark_changes(axes, report, snapshot.route.changes, 100.0)
    axes.set_xlabel(f"{clock.unit} since the start", color=INK)
    axes.set_ylabel("sent on, %")
    axes.set_xlim(0.0, clock.end)
    axes.set_ylim(0.0, 104.0)
    legend_below(axes)


def _caption(report: Report) -> str:
    words = "Of the documents that came to a tier, the share that it sent on, without those of the "
    words += "sample and the audit"
    if report.decision is not None and report.decision.cut is not None:
        words += "; dashed: what the sample let expect"
    return f"{words}."
