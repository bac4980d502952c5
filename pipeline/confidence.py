"""Confidence features of one generation, from the log probabilities of its tokens.

Boundary: pure arithmetic on plain sequences; called inside the engine process, so that raw log
probabilities travel only with answers that another engine has to continue. Sources: mean and
quantiles of token log probabilities as deferral features, Gupta et al., ICLR 2024 (arXiv
2404.10136); top-1 minus top-2 margin, arXiv 2605.18796.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from checkpoints.result import Confidence


def confidence_of(
    chosen_logprobs: Sequence[float], runner_up_logprobs: Sequence[float | None]
) -> Confidence | None:
    """Features over all generated tokens; none for an empty generation.

    `chosen_logprobs[i]` is the natural-log probability of the i-th generated token,
    `runner_up_logprobs[i]` that of the most probable other token there, None where none is known
    (then the margin of that token counts as 1). The margin is the mean of p(chosen) - p(runner-up).
    The 10 % quantile is the lower nearest rank: element floor(0.1 * (n - 1)) of the sorted values.
    """
    count = len(chosen_logprobs)
    if count == 0:
        return None
    ordered = sorted(chosen_logprobs)
    margin = math.fsum(
        math.exp(chosen) - math.exp(other) if other is not None else 1.0
        for chosen, other in zip(chosen_logprobs, runner_up_logprobs, strict=True)
    )
    return Confidence(
        mean_logprob=math.fsum(chosen_logprobs) / count,
        min_logprob=ordered[0],
        p10_logprob=ordered[(count - 1) // 10],
        top2_margin=margin / count,
        tokens=count,
    )
