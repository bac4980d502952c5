"""Cost against quality: every cut that was tested, the chosen one, and each tier alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

from jobs.report.amounts import PER, cost_of_documents, share
from jobs.report.data import Report
from jobs.report.decision import (
    chosen_place,
    costs_of_cuts,
    cuts_of,
    pair_of_cuts,
    taken_way,
)
from jobs.report.drawing import BAD, FAINT, FIRST, GOOD, INK, SECOND, Axes, drawn, legend_below
from jobs.report.section import Figure, Section, Table
from pipeline.certification.certificate import Certificate
from pipeline.certification.decision import Decision
from pipeline.certification.plan_table import Option
from pipeline.routing.route_terms import Quality

_ABOVE_PROMISE = 2.5  # times the promise: bounds of few labels would hide everything below
_UNITS = {"usd": "USD", "engine_s": "engine seconds"}


def route(report: Report) -> Section | None:
    """Why the route is as it is; nothing where a job has only one tier to ask."""
    snapshot, certificate = report.status.snapshot, report.certificate
    standing = None if snapshot is None else snapshot.route
    if standing is None and certificate is None:
        return None
    lines = []
    if standing is not None:
        lines.append(f"Documents go {' -> '.join(standing.ladder)}.")
    why = certificate.decision.why if certificate is not None else standing and standing.why
    if why:
        lines.append(f"Why: {why.rstrip('.')}.")
    if report.quality is not None:
        lines.append(promise_words(report.quality))
    parts: list[Figure | Table] = []
    if certificate is not None and certificate.decision.options:
        label = "expected cost of documents against their mean loss"
        drawing = drawn("tradeoff", label, partial(_tradeoff, certificate), height_in=3.6)
        parts.append(Figure(drawing, _caption(certificate.decision)))
        parts.append(options_table(certificate))
    return Section("route", "Cost against quality", tuple(lines), tuple(parts))


def promise_words(quality: Quality) -> str:
    """The promise in a sentence."""
    than = "the strongest tier's answers" if quality.of == "strong" else "the right answers"
    return (
        f"Promised: with {100 * quality.confidence:g} % confidence, answers are on average at most "
        f"{share(quality.within)} worse, compared with {than}."
    )


def options_table(certificate: Certificate) -> Table:
    """Every way that the planner compared, and why not."""
    options, unit = certificate.decision.options, _unit(certificate)
    rows = tuple(
        (
            " -> ".join(option.ladder),
            cost_of_documents(option.cost, unit),
            share(option.mean_loss),
            "not tested" if option.bound is None else share(option.bound),
            share(option.escalated),
            option.verdict,
        )
        for option in options
    )
    head = ("way", "cost per 1,000", "mean loss", "certified bound", "sent on", "verdict")
    return Table(
        head,
        rows,
        numbers=frozenset({1, 2, 3, 4}),
        caption="All ways that were compared on the sample; the marked one is taken.",
        marked=_taken(certificate.decision),
    )


def _unit(certificate: Certificate) -> str:
    return _UNITS.get(certificate.cost_unit, certificate.cost_unit)


def _taken(decision: Decision) -> int | None:
    wanted = taken_way(decision)
    places = (place for place, one in enumerate(decision.options) if one.ladder == wanted)
    return next(places, None)


def _tradeoff(certificate: Certificate, axes: Axes) -> None:
    decision, promised = certificate.decision, 100 * certificate.promise.within
    cuts, costs = cuts_of(decision), [PER * cost for cost in costs_of_cuts(decision)]
    losses = [100 * cut.mean_loss for cut in cuts]
    bounds = [100 * cut.bound for cut in cuts]
    singles = [option for option in decision.options if len(option.ladder) == 1]
    if costs:
        axes.plot(costs, bounds, "--", color=SECOND, marker=".", label="certified upper bound")
        axes.plot(costs, losses, color=FIRST, marker="o", markersize=4, label="mean loss of a cut")
    for option in singles:
        _name_point(axes, option)
    axes.axhline(promised, color=BAD, linewidth=1.2, label="promise")
    chosen = _chosen_point(decision, costs)
    if chosen is not None:
        axes.plot(
            *([value] for value in chosen),
            linestyle="none",
            marker="o",
            markersize=11,
            markerfacecolor="none",
            markeredgewidth=2.0,
            markeredgecolor=GOOD,
            label="chosen",
        )
    axes.set_xlabel(f"expected cost of 1,000 documents, {_unit(certificate)}", color=INK)
    axes.set_ylabel("loss of quality, %")
    shown = [*losses, *(100 * option.mean_loss for option in singles)]
    top = max([1.15 * loss for loss in shown] + [0.5, _ABOVE_PROMISE * promised])
    bottom = min([0.0, *shown])
    axes.set_ylim(bottom - 0.12 * (top - bottom), top)
    axes.set_xlim(left=0.0)
    axes.margins(x=0.12)
    axes.axhline(0.0, color=FAINT, linewidth=0.8)
    legend_below(axes)


def _chosen_point(decision: Decision, costs: Sequence[float]) -> tuple[float, float] | None:
    """Where the taken way is: the chosen cut, or the tier that answers alone."""
    place = chosen_place(decision)
    if costs and place is not None:
        return costs[place], 100 * cuts_of(decision)[place].mean_loss
    for option in decision.options:
        if option.ladder == taken_way(decision):
            return PER * option.cost, 100 * option.mean_loss
    return None


def _name_point(axes: Axes, option: Option) -> None:
    """A diamond and its name: below it for the reference, where the cuts' lines end."""
    x, y = PER * option.cost, 100 * option.mean_loss
    axes.plot([x], [y], linestyle="none", marker="D", color=INK, markersize=5)
    axes.annotate(
        f"{option.ladder[0]} alone",
        (x, y),
        xytext=(7, 6) if option.mean_loss > 0 else (4, -13),
        textcoords="offset points",
        color=INK,
    )


def _caption(decision: Decision) -> str:
    pair, cut = pair_of_cuts(decision), decision.cut
    words = "Each tier alone is a diamond; further left is cheaper, further down is better."
    if pair is not None:
        words += f" The lines are the cuts of {' -> '.join(pair.ladder)} that were tested, "
        words += "strict on the right: what they lose, and the most that can be promised of it."
    if cut is not None and math.isfinite(cut.threshold):
        words += f" The chosen cut keeps answers from a score of {cut.threshold:.3f} on and sends "
        words += f"{share(cut.escalated)} of the documents on."
    elif cut is not None:
        words += " The chosen cut keeps every usable answer."
    return words
