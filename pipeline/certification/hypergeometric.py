"""How many documents with a loss of 1 are left, where every loss is 0 or 1: exact, pure.

Boundary: counts in, a count out. Only for losses that cannot be anything between.
Source: the hypergeometric distribution of draws without replacement; where few of many are drawn
this is the one-sided bound of Clopper and Pearson (1934).
"""

from __future__ import annotations

import numpy as np
from scipy.special import betaln

from pipeline.certification.betting import FloatArray

ROUNDING = 1e-6  # relative; more than the error of a chance among 1e9 documents


def most_undrawn(lossy: int, *, drawn: int, population: int, confidence: float) -> int:
    """With this confidence, no more of the documents that were not drawn have a loss of 1.

    `lossy` of the `drawn` have one. The answer is the largest count that is not refuted, where u
    is refuted if among `population` documents with lossy + u losses one would draw as few as
    `lossy` with probability 1 - confidence at most. That probability falls with u, so a true count
    above the answer is refuted too, which happens with that probability at most.
    """
    refuted, kept = population - drawn + 1, 0  # nothing to refute in none
    while refuted - kept > 1:
        middle = (refuted + kept) // 2
        chance = chance_of_few(lossy, drawn=drawn, among=lossy + middle, population=population)
        if chance * (1.0 + ROUNDING) <= 1.0 - confidence:
            refuted = middle
        else:
            kept = middle
    return kept


def chance_of_few(lossy: int, *, drawn: int, among: int, population: int) -> float:
    """That `lossy` at most of the `drawn` are of the `among` that have a loss, in `population`."""
    # So many at least there must be, where the others do not suffice for the draws.
    counts = np.arange(max(0, drawn - (population - among)), lossy + 1, dtype=np.float64)
    log_chances = (
        _log_choices(among, counts)
        + _log_choices(population - among, drawn - counts)
        - _log_choices(population, np.float64(drawn))
    )
    return float(np.exp(log_chances).sum())


def _log_choices(of: int, chosen: FloatArray | np.float64) -> FloatArray:
    made: FloatArray = -betaln(of - chosen + 1.0, chosen + 1.0) - np.log(of + 1.0)
    return made
