"""Why there is no cascade: it does not pay, or the labels do not suffice and how many would.

Boundary: pure; looks back at what the planner found and decides nothing. The certification part is
read again here for its figures: after the verdict, which it can no longer change.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from pipeline.certification import plan_wording as words
from pipeline.certification.decision import Terms
from pipeline.certification.options import Figures, Forecast, Trial, forecast
from pipeline.certification.power import labels_needed, least_escalation
from pipeline.certification.sample import FloatArray, Sample

MORE = 1.25  # times the labels there were, at least, where the forecast held them to be enough


def fewest_labels(terms: Terms) -> int:
    """The smallest sample that could certify the promise: one without any loss, or everything."""
    needed = labels_needed(
        0.0, 0.0, allowed=terms.promise.within, confidence=terms.promise.confidence
    )
    return terms.documents if needed is None else _whole_sample(needed, terms)


def why_not(
    rest: Sample,
    scores: Sequence[FloatArray],
    forecasts: Sequence[Forecast],
    trials: Sequence[Trial],
    terms: Terms,
) -> str:
    """The sentence for a plan in which no certified pair pays; `scores[tier]` are of the rest."""
    if not forecasts:
        return words.nothing_usable(rest.tiers[:-1], rest.tiers[-1])
    trial = trials[0]
    shown = next(one for one in forecasts if one.pair == trial.pair)
    seen = forecast(
        rest,
        scores[shown.pair.first],
        shown.pair,
        shown.cuts,
        allowed=terms.allowed_loss(len(rest)),
        confidence=1 - (1 - terms.promise.confidence) / len(trials),
        labels=len(rest),
    )
    ladder = rest.tiers[shown.pair.first], rest.tiers[shown.pair.second]
    failed = [cut for cut in trial.certification.cuts if not cut.is_certified]
    if seen.labels_needed is not None and failed:
        needed = max(seen.labels_needed, math.ceil(MORE * len(rest)))
        return words.too_few_labels(
            ladder,
            labels=len(rest),
            bound=failed[0].bound,
            promise=terms.promise,
            needed=_whole_sample(needed, terms),
        )
    usable = rest.is_usable[:, shown.pair.first]
    base = float((rest.losses[:, shown.pair.first] * usable).mean())
    allowed = terms.allowed_loss(len(rest))
    figures = seen.likely or seen.possible or _everything(rest, seen)
    return words.does_not_pay(
        ladder,
        rest.tiers[-1],
        cheap_cost=float(rest.costs[:, shown.pair.first].mean()),
        cost=figures.cost,
        reference_cost=float(rest.costs[:, -1].mean()),
        escalated=figures.escalated,
        at_least=float((~usable).mean()) + least_escalation(base, allowed=allowed),
    )


def _everything(rest: Sample, one: Forecast) -> Figures:
    """What it comes to when every document escalates."""
    costs = rest.costs[:, one.pair.first] + rest.costs[:, one.pair.second]
    return Figures(
        math.inf, 1.0, float(rest.losses[:, one.pair.second].mean()), float(costs.mean())
    )


def _whole_sample(certifying: int, terms: Terms) -> int:
    """How large a sample is of which so many documents certify."""
    return math.ceil(certifying / (1 - terms.fit_share))
