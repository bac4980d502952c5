"""The options that a plan had, one row each: what the sample says of it and why it is not taken.

Boundary: pure; describes what options.py found and the planner chose.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.certification.options import Forecast, Trial, accepted, document_costs
from pipeline.certification.plan_wording import percent
from pipeline.certification.sample import FloatArray, Sample


@dataclass(frozen=True, slots=True)
class Option:
    """A tier alone or a pair of tiers.

    `threshold` is None where there is nothing to decide, -inf where every usable answer is kept.
    `bound` is the certified upper bound of the mean loss; None where it was not tested: then the
    other figures are those of the fit part.
    """

    ladder: tuple[str, ...]
    threshold: float | None
    escalated: float
    mean_loss: float
    cost: float  # per document
    bound: float | None
    is_certified: bool
    verdict: str


def options_of(
    fit: Sample,
    rest: Sample,
    scores: Sequence[FloatArray],
    forecasts: Sequence[Forecast],
    trials: Sequence[Trial],
) -> tuple[Option, ...]:
    """Every tier alone, cheap to strong, then every pair; `scores[tier]` are of the rest."""
    tried = {trial.pair: trial for trial in trials}
    singles = [_single(fit, tier) for tier in range(len(fit.tiers))]
    pairs = []
    for one in forecasts:
        trial = tried.get(one.pair)
        if trial is None or not trial.certification.cuts:
            pairs.append(_untested(fit, one))
        else:
            pairs.append(_tested(rest, scores[one.pair.first], trial))
    return (*singles, *pairs)


def _single(fit: Sample, tier: int) -> Option:
    is_reference = tier == len(fit.tiers) - 1
    return Option(
        ladder=(fit.tiers[tier],),
        threshold=None,
        escalated=0.0,
        mean_loss=float(fit.losses[:, tier].mean()),
        cost=float(fit.costs[:, tier].mean()),
        bound=0.0 if is_reference else None,
        is_certified=is_reference,
        verdict="the reference" if is_reference else "judged as the pair that keeps every answer",
    )


def _untested(fit: Sample, one: Forecast) -> Option:
    ladder = fit.tiers[one.pair.first], fit.tiers[one.pair.second]
    figures = one.likely or one.possible
    if figures is None:
        return Option(
            ladder=ladder,
            threshold=None,
            escalated=1.0,
            mean_loss=float(fit.losses[:, one.pair.second].mean()),
            cost=float(fit.costs[:, [one.pair.first, one.pair.second]].sum(axis=1).mean()),
            bound=None,
            is_certified=False,
            verdict="no cut keeps the promise",
        )
    ratio = figures.cost / float(fit.costs[:, -1].mean() or math.nan)
    if ratio < 1:
        verdict = "not tested: another pair is forecast to cost less"
    else:
        verdict = f"not tested: forecast to cost {ratio:.2f} x the reference"
    return Option(
        ladder=ladder,
        threshold=figures.threshold,
        escalated=figures.escalated,
        mean_loss=figures.mean_loss,
        cost=figures.cost,
        bound=None,
        is_certified=False,
        verdict=verdict,
    )


def _tested(rest: Sample, scores: FloatArray, trial: Trial) -> Option:
    cut = trial.cut or trial.certification.cuts[0]
    kept = accepted(scores, cut.threshold)
    cost = float(document_costs(rest, trial.pair, kept).mean())
    if trial.cut is None:
        verdict = f"not certified: {percent(cut.bound)} is the least that can be promised"
    else:
        verdict = f"certified, costs {cost / float(rest.costs[:, -1].mean() or math.nan):.2f} x it"
    return Option(
        ladder=(rest.tiers[trial.pair.first], rest.tiers[trial.pair.second]),
        threshold=cut.threshold,
        escalated=float((~kept).mean()),
        mean_loss=cut.mean_loss,
        cost=cost,
        bound=cut.bound,
        is_certified=cut.is_certified,
        verdict=verdict,
    )
