"""Ctrl-C and SIGTERM: the first stops cleanly, the second at once."""

from __future__ import annotations

import signal
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any


class StopSwitch:
    """While entered, a first signal turns the switch on and a second raises KeyboardInterrupt.

    So does the first as long as nobody has asked `is_on`: a run that still lists its input has
    nothing to end cleanly. Enter it in the main thread and after `ray.init`, which puts in a
    SIGTERM handler of its own.
    """

    def __init__(self, on_first: Callable[[], None]) -> None:
        self._on_first = on_first
        self._is_on = False
        self._is_watched = False
        self._before: dict[signal.Signals, Any] = {}

    def is_on(self) -> bool:
        """Whether a signal has asked to stop."""
        self._is_watched = True
        return self._is_on

    def __enter__(self) -> StopSwitch:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _handle(self, _number: int, _frame: FrameType | None) -> None:
        if self._is_on or not self._is_watched:
            raise KeyboardInterrupt
        self._is_on = True
        self._on_first()
