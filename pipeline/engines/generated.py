"""What vLLM generated, as values of ours.

Boundary: reads the attributes of vLLM's outputs; nothing of vLLM is imported here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from checkpoints.partial import Partial
from pipeline.engines.tiers import Generation
from pipeline.engines.token_places import TokenPlaces
from pipeline.engines.value_tokens import ValueToken, value_tokens


def continued(partial: Partial, generated: Any, spent_s: float) -> Partial:
    """The tokens so far and those that vLLM generated behind them, as one."""
    chosen: list[float] = []
    runner_up: list[float | None] = []
    if generated.logprobs is not None:
        chosen, runner_up = chosen_and_runner_up(generated.logprobs)
    return Partial(
        tokens=(*partial.tokens, *generated.token_ids),
        logprobs=(*partial.logprobs, *chosen),
        runner_up_logprobs=(*partial.runner_up_logprobs, *runner_up),
        engine_s=partial.engine_s + spent_s,
    )


def chosen_and_runner_up(flat: Any) -> tuple[list[float], list[float | None]]:
    """Per generated token: its log probability, and that of the best other token vLLM named.

    vLLM lists the sampled token first and then the most probable ones, which may include it.
    """
    chosen: list[float] = []
    runner_up: list[float | None] = []
    for start, end in zip(flat.start_indices, flat.end_indices, strict=True):
        token = flat.token_ids[start]
        chosen.append(flat.logprobs[start])
        runner_up.append(
            next(
                (flat.logprobs[i] for i in range(start + 1, end) if flat.token_ids[i] != token),
                None,
            )
        )
    return chosen, runner_up


def values_of(
    generation: Generation, answer: Partial, text: str, places: TokenPlaces | None
) -> Sequence[ValueToken]:
    """The answer's value tokens: all of a label, some of a JSON text, none without confidence.

    None either where it is not known which part of the text each token makes up.
    """
    if not answer.logprobs:
        return ()
    if generation.choices:
        return [ValueToken(index, None) for index in range(len(answer.tokens))]
    if generation.json_schema is None or places is None:
        return ()
    where = places.places(answer.tokens, text)
    return () if where is None else value_tokens(text, where)
