"""Why a run ends before its work does: the user, or errors beyond what the job allows.

Boundary: looks at counts and at the store's wish to cancel; who ends what is the driver's matter.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from checkpoints.cancel import forget_cancel, read_cancel
from checkpoints.store import Store
from pipeline.job import RunLimits
from pipeline.progress import Counts, State


@dataclass(frozen=True, slots=True)
class Stop:
    """Why the loop ends before the work does."""

    state: State
    message: str | None


@dataclass(frozen=True, slots=True)
class Stops:
    """Asked once a second."""

    checkpoint: Store
    limits: RunLimits
    should_stop: Callable[[], bool]

    def reason(self, done: Counts) -> Stop | None:
        """Whether the run has to stop now."""
        if self.should_stop():
            return Stop(State.CANCELLED, "stopped by the user; finished work is kept")
        if self._is_cancelled():
            return Stop(State.CANCELLED, "cancelled; finished work is kept")
        return self.too_many_errors(done, self.limits.min_documents_for_error_rate)

    def too_many_errors(self, done: Counts, after_documents: int) -> Stop | None:
        """Whether too large a share failed, once so many documents are finished."""
        if done.documents >= max(1, after_documents):
            rate = done.error / done.documents
            if rate > self.limits.max_error_rate:
                return Stop(
                    State.FAILED,
                    f"{done.error} of {done.documents} documents failed ({rate:.0%}), more than "
                    f"limits.max_error_rate = {self.limits.max_error_rate:.0%}",
                )
        return None

    def _is_cancelled(self) -> bool:
        try:
            wish = read_cancel(self.checkpoint)
        except (ConnectionError, TimeoutError):  # asked again in a moment
            return False
        if wish is not None:
            forget_cancel(self.checkpoint, wish)
        return wish is not None
