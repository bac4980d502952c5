"""Which way through the tiers a job takes: the cheapest that provably keeps the promise.

Boundary: pure; a labelled sample in, a decision with its reason out. Invariants: what is certified
was chosen on the fit part alone; nothing is chosen that does not save against the reference; when
in doubt the reference answers every document.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from pipeline.certification import plan_wording as words
from pipeline.certification.agreement import loss_named
from pipeline.certification.certify import Certification, TestedCut, candidate_cuts
from pipeline.certification.decision import Decision, Terms
from pipeline.certification.options import (
    Forecast,
    Pair,
    Trial,
    accepted,
    document_costs,
    forecast,
    most_promising,
    try_pairs,
)
from pipeline.certification.plan_table import Option, options_of
from pipeline.certification.refusal import fewest_labels, why_not
from pipeline.certification.sample import FloatArray, Labelled, Sample, sample_of
from pipeline.certification.savings import Saving, saving_of
from pipeline.certification.scoring import ScoreModel, fit_score
from pipeline.certification.skipping import SkipModel, fit_skipping, is_worth_it, skipped

FEWEST_TO_FIT = 10


def plan_route(tiers: Sequence[str], labelled: Sequence[Labelled], terms: Terms) -> Decision:
    """The decision for a job with these tiers, cheap to strong, from its labelled sample.

    `labelled` stands in the order in which it was drawn, uniformly and without replacement, from
    all documents of the job. Raises UnusableSampleError, UnknownLossError, LossFunctionError.
    """
    loss = loss_named(terms.loss)
    return decide(sample_of(tiers, labelled, loss=loss, reference=terms.reference), terms)


@dataclass(frozen=True, slots=True)
class _Scored:
    """A tier's score model, and its scores on both parts; -inf without a usable answer."""

    model: ScoreModel | None
    fit: FloatArray
    rest: FloatArray


@dataclass(frozen=True, slots=True)
class _Route:
    """A certified pair as the documents would go through it."""

    trial: Trial
    cut: TestedCut
    skip_model: SkipModel | None
    saving: Saving


def split(sample: Sample, terms: Terms) -> tuple[Sample, Sample]:
    """The fit part and the certification part, in the order of drawing."""
    border = round(terms.fit_share * len(sample))
    return sample.rows(slice(None, border)), sample.rows(slice(border, None))


def decide(sample: Sample, terms: Terms) -> Decision:
    """The decision from a sample of arrays; see `plan_route`."""
    fit, rest = split(sample, terms)
    if len(sample.tiers) == 1:
        return _reference_alone(sample, words.only_tier(sample.tiers[-1]))
    if len(fit) < FEWEST_TO_FIT or len(rest) == 0:
        why = words.nothing_to_plan_with(labels=len(sample), needed=fewest_labels(terms))
        return _reference_alone(sample, why)
    if terms.documents <= len(sample):
        return _reference_alone(sample, words.nothing_left(sample.tiers[-1]))
    scored = [_score(fit, rest, tier, terms) for tier in range(len(sample.tiers) - 1)]
    forecasts = _forecasts(fit, scored, terms, labels=len(rest))
    candidates = most_promising(forecasts, reference_cost=float(fit.costs[:, -1].mean()))
    trials = try_pairs(
        rest,
        [one.rest for one in scored],
        candidates,
        promise=terms.promise,
        documents=terms.documents,
        spared=len(fit),
    )
    options = options_of(fit, rest, [one.rest for one in scored], forecasts, trials)
    routes = [_route(fit, rest, scored[trial.pair.first], trial, terms) for trial in trials]
    paying = [route for route in routes if route is not None and route.saving.pays]
    if not paying:
        why = why_not(rest, [one.rest for one in scored], forecasts, trials, terms)
        nearest = trials[0].certification if trials else None
        return _reference_alone(sample, why, nearest, len(trials), len(rest), options)
    best = min(paying, key=lambda route: route.saving.cost)
    model = scored[best.trial.pair.first].model
    return _taken(best, rest, model, len(trials), options, len(sample), terms)


def _score(fit: Sample, rest: Sample, tier: int, terms: Terms) -> _Scored:
    """Fit a tier's score on the fit part; a raw score is the first feature."""
    usable = fit.is_usable[:, tier]
    if not terms.is_fitted:
        scores = [part.features[tier][:, 0] for part in (fit, rest)]
        model = None
    elif usable.any():
        losses = np.clip(fit.losses[usable, tier], 0.0, 1.0)
        model = fit_score(fit.features[tier][usable], losses, fit.signals)
        scores = [model.score(part.features[tier]) for part in (fit, rest)]
    else:
        model, scores = None, [np.full(len(part), -np.inf) for part in (fit, rest)]
    of_fit, of_rest = (
        np.where(part.is_usable[:, tier] & np.isfinite(values), values, -np.inf)
        for part, values in zip((fit, rest), scores, strict=True)
    )
    return _Scored(model, of_fit, of_rest)


def _forecasts(
    fit: Sample, scored: Sequence[_Scored], terms: Terms, *, labels: int
) -> list[Forecast]:
    """Every pair whose first tier has scores at all, cheap first."""
    made = []
    for first, second in combinations(range(len(fit.tiers)), 2):
        scores = scored[first].fit
        known = scores[np.isfinite(scores)]
        if len(known) == 0:
            continue
        made.append(
            forecast(
                fit,
                scores,
                Pair(first, second),
                candidate_cuts(known, terms.cuts),
                allowed=terms.allowed_loss(len(fit) + labels),
                confidence=terms.promise.confidence,
                labels=labels,
            )
        )
    return made


def _route(fit: Sample, rest: Sample, scored: _Scored, trial: Trial, terms: Terms) -> _Route | None:
    """The pair at its certified cut; None where there is none."""
    cut, pair = trial.cut, trial.pair
    if cut is None:
        return None
    escalates = ~accepted(scored.rest, cut.threshold)
    costs = document_costs(rest, pair, ~escalates)
    skip_model = None
    can_skip = terms.may_skip and terms.reference == "strong" and cut.threshold > -math.inf
    # The prompts are the first tier's: those of another one may be other tokens.
    is_whole = pair.first == 0 and pair.second == len(fit.tiers) - 1
    if can_skip and is_whole and fit.prompts and rest.prompts:
        cheap_costs, next_costs = rest.costs[:, pair.first], rest.costs[:, pair.second]
        skip_model = fit_skipping(
            fit.prompts,
            ~accepted(scored.fit, cut.threshold),
            cheap_cost=float(fit.costs[:, pair.first].mean()),
            next_cost=float(fit.costs[:, pair.second].mean()),
        )
        if skip_model is not None:
            skips = skipped(skip_model, rest.prompts)
            if is_worth_it(skips, escalates, cheap_costs=cheap_costs, next_costs=next_costs):
                costs = np.where(skips, next_costs, costs)
            else:
                skip_model = None
    return _Route(trial, cut, skip_model, saving_of(costs, rest.costs[:, -1]))


def _taken(
    route: _Route,
    rest: Sample,
    model: ScoreModel | None,
    candidates: int,
    options: tuple[Option, ...],
    labels: int,
    terms: Terms,
) -> Decision:
    """The decision for a certified route that pays."""
    pair, cut = route.trial.pair, route.cut
    ladder, reference = (rest.tiers[pair.first], rest.tiers[pair.second]), rest.tiers[-1]
    is_single = cut.threshold == -math.inf
    if is_single:
        why = words.one_tier_does(
            ladder[0],
            reference,
            saving=route.saving,
            cut=cut,
            promise=terms.promise,
            labels=len(rest),
            is_gold=terms.reference == "gold",
        )
    else:
        why = words.cascade_saves(
            ladder,
            reference,
            saving=route.saving,
            cut=cut,
            promise=terms.promise,
            labels=len(rest),
        )
    return Decision(
        kind="single" if is_single else "cascade",
        ladder=ladder,
        threshold=cut.threshold,
        score_model=model,
        skip_model=route.skip_model,
        certification=route.trial.certification,
        elsewhere_bound=route.trial.elsewhere_bound,
        candidates=candidates,
        labels=labels,
        certified_on=len(rest),
        saving=route.saving,
        options=options,
        why=why,
    )


def _reference_alone(
    sample: Sample,
    why: str,
    nearest: Certification | None = None,
    candidates: int = 0,
    certified_on: int = 0,
    options: tuple[Option, ...] = (),
) -> Decision:
    """The decision that needs no certificate."""
    cost = float(sample.costs[:, -1].mean()) if len(sample) else 0.0
    return Decision(
        kind="single",
        ladder=(sample.tiers[-1],),
        threshold=None,
        score_model=None,
        skip_model=None,
        certification=nearest,
        elsewhere_bound=None,
        candidates=candidates,
        labels=len(sample),
        certified_on=certified_on,
        saving=Saving(cost, cost, 0.0, 0.0, 0.0),
        options=options,
        why=why,
    )
