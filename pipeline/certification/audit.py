"""Whether a route still keeps its promise, by documents that were answered twice: pure.

Boundary: scores and losses of audited documents in, a verdict out. Which documents are audited, and
what follows from a verdict, is decided elsewhere.
Invariant: while every routed document has the same chance to be audited and an expected loss of
`promise.within` at most, whatever was seen before, audits ever say otherwise with probability
`alpha` at most, however often and whenever they are looked at.

Evidence against the promise is what bets on losses above `within` have won. Half of the stake money
bets from the first audit on, the other half is spread over the later ones, 1 / (k (k + 1)) of it
from the k-th on: a change after many good audits is noticed as if they had not been, but for that
share. A bet is the mean, over a few fixed stakes, of prod(1 + stake * (loss - within)). Under the
promise each is a nonnegative supermartingale that begins with its share, so the sum, which begins
at 1, reaches 1 / alpha with probability alpha at most (Ville).
Sources: Waudby-Smith and Ramdas, "Estimating means of bounded random variables by betting" (2023);
bets that begin at every time, Shin, Ramdas and Rinaldo, "E-detectors" (2022).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from pipeline.certification.betting import FloatArray
from pipeline.certification.certify import Promise

ALPHA = 0.01  # the chance of a false alarm in a whole run
SHARES = np.geomspace(1 / 256, 1 / 2, 8)  # of the largest stake that no loss can ruin
SPARE = 2.0  # by so much a stricter cut has to stay below the promise, as little is known of it
LEAST_ACCEPTED = 30  # audits, to say something for a cut


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to do with the route; `threshold` is the one to use from now on, None to escalate all.

    `mean_loss` and `evidence`, an e-value, are of the threshold that was audited.
    """

    kind: Literal["holds", "tighten", "distrust"]
    threshold: float | None
    mean_loss: float
    audited: int
    evidence: float
    sentence: str


def evidence(losses: FloatArray, *, within: float, lowest: float = -1.0) -> float:
    """The e-value of losses (n,), in the order they came, against "the expected loss is `within` at
    most"; 1 for none. `lowest` is the least loss that can occur."""
    won = np.exp(np.minimum(_log_wealth(losses, within, lowest), 600.0))
    return float(won.sum()) + 0.5 / (len(losses) + 1)


def _log_wealth(losses: FloatArray, within: float, lowest: float) -> FloatArray:
    """The logarithm of what each bet has by now, (n + 1,).

    First the one from the first audit on, then those that begin behind the first, the second, ...
    """
    # A bet on high losses is ruined by a low one, by none if all of them are as high as `within`.
    largest = 1.0 / max(within - lowest, 1e-6)
    steps = np.log1p(largest * SHARES[:, None] * (losses - within))
    since = np.concatenate([np.zeros((len(SHARES), 1)), steps.cumsum(axis=1)], axis=1)
    won = np.logaddexp.reduce(since[:, -1:] - since, axis=0) - math.log(len(SHARES))
    begins = np.arange(1.0, len(losses) + 1)
    shares = np.concatenate([[1.0], 1.0 / (begins * (begins + 1.0))])
    wealth: FloatArray = won + np.log(0.5 * shares)
    return wealth


def check(
    scores: FloatArray,
    losses: FloatArray,
    *,
    threshold: float,
    promise: Promise,
    cuts: Sequence[float],
    alpha: float = ALPHA,
    lowest: float = -1.0,
) -> Verdict:
    """Whether accepting `threshold` and more still keeps the promise; what to do where it does not.

    `scores` and `losses` (n,) are of all audited documents in the order they came; a loss counts
    where the score reaches the cut, so audits made under an earlier threshold still count. `lowest`
    is the least loss that can occur: 0 where answers are compared with the reference's finds drift
    sooner than -1, which paired losses need.

    What follows an alarm: the most lenient of the stricter `cuts` that lost `within` / 2 at most in
    the audits since the change, which is where the bet began that won most. A cut that accepted
    fewer than 30 of them is not known, and where no cut is left, the tier is not to be trusted.
    ValueError names what is wrong.
    """
    wrong = losses[~((losses >= lowest) & (losses <= 1.0))]
    if wrong.size:
        raise ValueError(f"a loss is {wrong[0]}: it has to lie in [{lowest:g}, 1]; is `lowest` so?")
    charged = np.where(scores >= threshold, losses, 0.0)
    mean = float(charged.mean()) if len(charged) else 0.0
    found = evidence(charged, within=promise.within, lowest=lowest)
    audited = len(losses)
    told = (
        f"{audited} audits lost {mean:.4f} on average where {promise.within:g} is promised"
        f" (e-value {found:.3g}, alarm at {1 / alpha:g})"
    )

    def verdict(
        kind: Literal["holds", "tighten", "distrust"], chosen: float | None, end: str
    ) -> Verdict:
        return Verdict(kind, chosen, mean, audited, found, f"{told}: {end}")

    if found < 1.0 / alpha:
        return verdict("holds", threshold, "the route holds")
    changed = int(np.argmax(_log_wealth(charged, promise.within, lowest)))
    scores, losses = scores[changed:], losses[changed:]
    told += f", {len(losses)} of them since it seems to have changed"
    for cut in sorted(cut for cut in set(cuts) if cut > threshold):
        accepted = scores >= cut
        lost = float(np.where(accepted, losses, 0.0).mean())
        if accepted.sum() >= LEAST_ACCEPTED and lost <= promise.within / SPARE:
            return verdict(
                "tighten", cut, f"scores from {cut:.4g} on, which lost {lost:.4f}, still count"
            )
    return verdict("distrust", None, "no stricter cut is known to be good, so all escalate")
