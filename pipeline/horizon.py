"""When a run will be over, and between which times.

Boundary: pure; the driver notes its counts once a second, by any monotonic clock.
The interval holds with about 90 %: documents per bin of `BIN_S` are taken as draws around a steady
rate, so the mean rate of the n bins to come lies around the mean of the k bins seen with a variance
of s^2 (1/k + 1/n), as in any prediction interval. Engines that come or go later are not in it; that
is why only the last `BINS` bins count.
"""

from __future__ import annotations

import math
import statistics
from collections import deque
from dataclasses import dataclass, field

BIN_S = 20.0
BINS = 15  # five minutes
FEWEST_BINS = 3
Z = 1.645  # standard deviations that hold 90 % of a normal distribution


@dataclass(frozen=True, slots=True)
class Left:
    """Seconds left: probably between `low_s` and `high_s`; no `high_s` where no end is in sight."""

    low_s: float
    high_s: float | None


@dataclass(slots=True)
class Horizon:
    """What the last minutes say of the time that is left."""

    _bins: deque[float] = field(default_factory=lambda: deque(maxlen=BINS))  # documents/s
    _start: tuple[float, int] | None = None

    def note(self, now_s: float, finished: int) -> None:
        """Take the number of documents that this attempt has finished by `now_s`."""
        if self._start is None:
            self._start = now_s, finished
        since_s, before = self._start
        if finished <= before and not self._bins:
            self._start = now_s, finished  # engines start: that is no pace
        elif now_s - since_s >= BIN_S:
            self._bins.append(max(0, finished - before) / (now_s - since_s))
            self._start = now_s, finished

    def left(self, documents: int) -> Left | None:
        """For so many documents; None while too little was seen."""
        if len(self._bins) < FEWEST_BINS:
            return None
        mean = statistics.fmean(self._bins)
        if mean <= 0:
            return None
        bins_to_come = max(1.0, documents / mean / BIN_S)
        spread = Z * statistics.stdev(self._bins)
        spread *= math.sqrt(1 / len(self._bins) + 1 / bins_to_come)
        slowest = mean - spread
        return Left(documents / (mean + spread), documents / slowest if slowest > 0 else None)
