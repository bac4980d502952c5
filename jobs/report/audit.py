"""What the audit found: the mean loss of documents drawn at random, and what it changed."""

from __future__ import annotations

from functools import partial

from jobs.report.amounts import share
from jobs.report.data import Report
from jobs.report.drawing import BAD, FAINT, FIRST, INK, Axes, drawn, legend_below
from jobs.report.escalation import mark_changes
from jobs.report.headline import moment
from jobs.report.section import Figure, Section
from jobs.report.series import running_mean, thinned
from jobs.wording.numbers import count
from pipeline.routing.route_standing import RouteStanding


def audit(report: Report) -> Section | None:
    """Nothing before a document was audited."""
    snapshot, losses = report.status.snapshot, report.history.audit_losses
    standing = None if snapshot is None else snapshot.route
    if standing is None or not (len(losses) or standing.changes):
        return None
    parts: tuple[Figure, ...] = ()
    if len(losses):
        label = "mean loss of audited documents over time"
        drawing = drawn("audit", label, partial(_losses, report, standing))
        caption = "Mean loss of all documents audited so far, each drawn at random."
        parts = (Figure(drawing, caption),)
    return Section("audit", "Audit", audit_lines(report, standing), parts)


def audit_lines(report: Report, standing: RouteStanding) -> tuple[str, ...]:
    """What came of it, in sentences."""
    losses, lines = report.history.audit_losses, []
    if len(losses):
        lines.append(
            f"{count(len(losses))} documents were audited; their mean loss was "
            f"{share(float(losses.mean()))}."
        )
    for change in standing.changes:
        what = f"{standing.ladder[0]} is trusted no more"
        if change.threshold is not None:
            what = f"{standing.ladder[0]} is kept from a score of {change.threshold:.3f} on"
        lines.append(f"{moment(change.unix_s)}: {what}: {change.sentence.rstrip('.')}.")
    return tuple(lines)


def _losses(report: Report, standing: RouteStanding, axes: Axes) -> None:
    clock, history = report.clock, report.history
    means = 100 * running_mean(history.audit_losses)
    times, means = thinned(clock.since(history.audited_unix_s), means)
    axes.step(times, means, where="post", color=FIRST, label="mean loss so far")
    within = 0.0 if report.quality is None else 100 * report.quality.within
    if within:
        axes.axhline(within, color=BAD, linewidth=1.2, label="promise")
    top = 1.25 * max(float(means.max()), within, 0.5)
    bottom = min(0.0, float(means.min()))
    axes.axhline(0.0, color=FAINT, linewidth=0.8)
    axes.set_ylim(bottom - 0.04 * (top - bottom), top)
    mark_changes(axes, report, standing.changes, top)
    axes.set_xlabel(f"{clock.unit} since the start", color=INK)
    axes.set_ylabel("mean loss, %")
    axes.set_xlim(0.0, clock.end)
    legend_below(axes)
