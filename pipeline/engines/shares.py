"""How an engine's time is divided among the requests that it holds at once.

Boundary: pure but for the clock that it is given. Invariant: the shares of all requests add up to
the time in which the engine held any, however many they were.
"""

from __future__ import annotations

import time
from collections.abc import Callable


class Shares:
    """While n requests are held, each has 1/n of every second."""

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        self._now_s = now_s
        self._held = 0
        self._since_s = now_s()
        self._each_s = 0.0  # what a request had got that was held from the beginning

    def enter(self) -> float:
        """A request comes; gives what `leave` needs."""
        self._advance()
        self._held += 1
        return self._each_s

    def leave(self, entered: float) -> float:
        """It goes; gives its seconds of the engine."""
        self._advance()
        self._held -= 1
        return self._each_s - entered

    def _advance(self) -> None:
        now_s = self._now_s()
        if self._held:
            self._each_s += (now_s - self._since_s) / self._held
        self._since_s = now_s
