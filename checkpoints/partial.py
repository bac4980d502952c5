"""The part of an answer that is there when its engine has to go."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Partial:
    """What engines that had to go generated of an answer; the next one continues behind it.

    Of every token its log probability and that of the best other one, where confidence is wanted:
    some features cannot be put together from those of the pieces. `engine_s` is the time in
    seconds that the request spent in those engines.
    """

    tokens: tuple[int, ...] = ()
    logprobs: tuple[float, ...] = ()
    runner_up_logprobs: tuple[float | None, ...] = ()
    engine_s: float = 0.0


NOTHING = Partial()
