"""What a certification can be expected to say, before it is made.

Boundary: pure arithmetic; promises nothing. It chooses what is worth testing and says how many
labels would do; only certify.py certifies.
"""

from __future__ import annotations

import math


def expected_bound(mean_loss: float, variance: float, *, labels: int, confidence: float) -> float:
    """About the upper bound of the mean loss that so many labels give.

    The empirical Bernstein form mean + sqrt(2 v L / n) + L / n with L = ln(1 / (1 - confidence))
    (Maurer and Pontil 2009, constants of the second term rounded): without any loss it is the exact
    L / n, and a betting test is close to it elsewhere. Infinite without labels.
    """
    if labels <= 0:
        return math.inf
    evidence = -math.log1p(-confidence)
    return mean_loss + math.sqrt(2 * variance * evidence / labels) + evidence / labels


def labels_needed(
    mean_loss: float, variance: float, *, allowed: float, confidence: float
) -> int | None:
    """About how many labels bring `expected_bound` down to `allowed`; None: no number does."""
    gap = allowed - mean_loss
    if gap <= 0:
        return None
    evidence = -math.log1p(-confidence)
    spread = math.sqrt(2 * variance * evidence)
    # evidence x^2 + spread x - gap = 0 for x = 1 / sqrt(labels)
    root = (math.sqrt(spread**2 + 4 * evidence * gap) - spread) / (2 * evidence)
    return math.ceil(1 / root**2)


def least_escalation(mean_loss: float, *, allowed: float) -> float:
    """The share of documents that every rule has to escalate, however well it chooses.

    A document's loss is at most 1 and counts over all documents, so escalating a share e takes away
    at most e: e >= mean_loss - allowed. (Where the promise is about the accepted documents alone
    this is (mean_loss - allowed) / (1 - allowed), arXiv 2606.29054; escalated ones count here.)
    """
    return min(1.0, max(0.0, mean_loss - allowed))
