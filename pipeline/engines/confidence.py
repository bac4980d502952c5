"""Confidence features of one generation, from the log probabilities of its tokens.

Boundary: pure arithmetic on plain sequences; called inside the engine process, so that raw log
probabilities travel only with answers that another engine has to continue. Sources: mean and
quantiles of token log probabilities as deferral features, Gupta et al., ICLR 2024 (arXiv
2404.10136); top-1 minus top-2 margin, arXiv 2605.18796.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from checkpoints.result import Confidence
from pipeline.engines.value_tokens import ValueToken


@dataclass(frozen=True, slots=True)
class _Summary:
    mean: float
    lowest: float
    p10: float
    margin: float


def confidence_of(
    chosen_logprobs: Sequence[float],
    runner_up_logprobs: Sequence[float | None],
    values: Sequence[ValueToken] = (),
) -> Confidence | None:
    """Features over all generated tokens, and over those in `values`; none for no tokens.

    `chosen_logprobs[i]` is the natural-log probability of the i-th generated token,
    `runner_up_logprobs[i]` that of the most probable other token there, None where none is known
    (then the margin of that token counts as 1). The margin is the mean of p(chosen) - p(runner-up).
    The 10 % quantile is the lower nearest rank: element floor(0.1 * (n - 1)) of the sorted values.
    Raises IndexError for a value token that was not generated.
    """
    plain = _summary(chosen_logprobs, runner_up_logprobs)
    if plain is None:
        return None
    indices = sorted({value.index for value in values})
    among = _summary(
        [chosen_logprobs[i] for i in indices], [runner_up_logprobs[i] for i in indices]
    )
    return Confidence(
        mean_logprob=plain.mean,
        min_logprob=plain.lowest,
        p10_logprob=plain.p10,
        top2_margin=plain.margin,
        tokens=len(chosen_logprobs),
        value_mean_logprob=None if among is None else among.mean,
        value_min_logprob=None if among is None else among.lowest,
        value_p10_logprob=None if among is None else among.p10,
        value_top2_margin=None if among is None else among.margin,
        value_tokens=None if among is None else len(indices),
        fields=_lowest_by_field(chosen_logprobs, values),
    )


def _summary(chosen: Sequence[float], runner_up: Sequence[float | None]) -> _Summary | None:
    count = len(chosen)
    if count == 0:
        return None
    ordered = sorted(chosen)
    margin = math.fsum(
        math.exp(its) - math.exp(other) if other is not None else 1.0
        for its, other in zip(chosen, runner_up, strict=True)
    )
    return _Summary(
        mean=math.fsum(chosen) / count,
        lowest=ordered[0],
        p10=ordered[(count - 1) // 10],
        margin=margin / count,
    )


def _lowest_by_field(
    chosen: Sequence[float], values: Sequence[ValueToken]
) -> tuple[tuple[str, float], ...]:
    lowest: dict[str, float] = {}
    for value in values:
        if value.field is not None:
            logprob = chosen[value.index]
            lowest[value.field] = min(logprob, lowest.get(value.field, logprob))
    return tuple(lowest.items())
