"""What happens to work whose engine is lost: it is sent again, but not for ever.

Boundary: the errors of losing an engine and the rule of resending; who is asked next is not
decided here.
"""

from __future__ import annotations

from dataclasses import dataclass

from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception_type,
    wait_exponential_jitter,
)
from tenacity.stop import stop_base

from pipeline.engines.engine import EngineDeadError


class EngineLostError(ConnectionError):
    """The engine's node or process is gone; the same requests may be sent to another."""


class NoEngineError(EngineLostError):
    """There is no engine to send to at the moment; no request had any part in that."""


@dataclass(frozen=True, slots=True)
class ResendLimits:
    """When and how often work is sent again."""

    max_losses: int = 10  # in a row: so many nodes do not go by chance while they hold one chunk
    resend_after_s: float = 0.2  # first wait after a lost engine; grows to resend_at_most_s
    resend_at_most_s: float = 5.0


def resending(limits: ResendLimits) -> AsyncRetrying:
    """Repeats a call for as long as engines are lost; the last of too many losses is a death."""
    return AsyncRetrying(
        retry=retry_if_exception_type(EngineLostError),
        stop=_LostTooOften(limits.max_losses),
        retry_error_callback=_blame,
        wait=wait_exponential_jitter(
            initial=limits.resend_after_s,
            max=limits.resend_at_most_s,
            jitter=limits.resend_after_s,
        ),
    )


class _LostTooOften(stop_base):
    """Stops when one chunk went down with so many engines; made anew for each chunk."""

    def __init__(self, max_losses: int) -> None:
        self._left = max_losses

    def __call__(self, retry_state: RetryCallState) -> bool:
        outcome = retry_state.outcome
        if outcome is not None and not isinstance(outcome.exception(), NoEngineError):
            self._left -= 1
        return self._left <= 0


def _blame(retry_state: RetryCallState) -> None:
    """Raise the last loss as a death."""
    error = None if retry_state.outcome is None else retry_state.outcome.exception()
    raise EngineDeadError("engine after engine was lost while it held this chunk") from error
