"""The planner's reasons, in one sentence with the numbers; pure."""

from __future__ import annotations

from pipeline.certification.certify import Promise, TestedCut
from pipeline.certification.savings import Saving


def percent(share: float, digits: int = 1) -> str:
    """0.0212 -> "2.1 %"; never "-0.0 %"."""
    return f"{round(100 * share, digits) + 0.0:.{digits}f} %"


def arrow(ladder: tuple[str, ...]) -> str:
    """The names of a ladder, as they follow each other."""
    return "->".join(ladder)


def cascade_saves(
    ladder: tuple[str, ...],
    reference: str,
    *,
    saving: Saving,
    cut: TestedCut,
    promise: Promise,
    labels: int,
) -> str:
    """Why a cascade is taken."""
    return (
        f"{arrow(ladder)} saves {percent(saving.share, 0)} of {reference} alone at "
        f"{percent(cut.mean_loss)} expected loss, {_certified(promise, labels)}"
    )


def one_tier_does(
    cheap: str,
    reference: str,
    *,
    saving: Saving,
    cut: TestedCut,
    promise: Promise,
    labels: int,
    is_gold: bool,
) -> str:
    """Why a cheaper tier answers alone."""
    ratio = f"costs {_ratio(saving.cost, saving.reference_cost)} of it"
    if is_gold and cut.mean_loss <= 0:
        found = f"is as good as {reference} or better (by {percent(-cut.mean_loss)}) and {ratio}"
    else:
        found = f"is enough: it is {percent(cut.mean_loss)} worse than {reference} and {ratio}"
    return f"{cheap} alone {found}, {_certified(promise, labels)}"


def does_not_pay(
    ladder: tuple[str, ...],
    reference: str,
    *,
    cheap_cost: float,
    cost: float,
    reference_cost: float,
    escalated: float,
    at_least: float,
) -> str:
    """Why there is no cascade; `at_least` is what even a perfect score would escalate."""
    return (
        f"no cascade: {ladder[0]} costs {_ratio(cheap_cost, reference_cost)} of {reference} and "
        f"would have to escalate {escalated:.2f} ({at_least:.2f} with a perfect score), so "
        f"{arrow(ladder)} costs "
        f"{_ratio(cost, reference_cost)} x {reference} alone"
    )


def too_few_labels(
    ladder: tuple[str, ...], *, labels: int, bound: float, promise: Promise, needed: int
) -> str:
    """Why there is no cascade yet; `labels` certified, `needed` are to be drawn in all."""
    return (
        f"no cascade: {arrow(ladder)} cannot be certified where it pays: {labels:,} documents "
        f"bound its loss by {percent(bound)} only, promised is {percent(promise.within)}; about "
        f"{needed:,} labels would be needed"
    )


def nothing_left(reference: str) -> str:
    """Why nothing is planned where the sample is the whole job."""
    return (
        f"every document is in the sample and keeps {reference}'s answer: nothing is left to save"
    )


def nothing_to_plan_with(*, labels: int, needed: int) -> str:
    """Why a sample is too small even to look."""
    return (
        f"no cascade: {labels:,} labels are too few to plan with; about {needed:,} are the fewest "
        "that could certify the promise"
    )


def nothing_usable(tiers: tuple[str, ...], reference: str) -> str:
    """Why no pair could even be tried."""
    return (
        f"no cascade: {', '.join(tiers)} gave no usable answer to any document on which a score "
        f"could be fitted, so {reference} answers all"
    )


def only_tier(reference: str) -> str:
    """Why there was nothing to choose."""
    return f"{reference} is the only tier"


def _certified(promise: Promise, labels: int) -> str:
    return (
        f"certified <= {percent(promise.within)} with {100 * promise.confidence:g} % confidence "
        f"on {labels:,} documents"
    )


def _ratio(cost: float, reference_cost: float) -> str:
    return f"{cost / reference_cost:.2f}" if reference_cost > 0 else "as much as all"
