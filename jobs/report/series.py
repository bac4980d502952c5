"""Numbers over time for a plot of bounded size: pure, NumPy alone.

Invariant: no series has more than `MOST_POINTS` points, however long the run was.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from jobs.report.history import FloatArray

MOST_POINTS = 200
MOST_BUCKETS = 100
FEWEST_BUCKETS = 4
_UNITS = ((172_800.0, 86_400.0, "days"), (7_200.0, 3_600.0, "hours"), (180.0, 60.0, "minutes"))


@dataclass(frozen=True, slots=True)
class Clock:
    """Time since the run was created, in a unit that suits its length."""

    start_unix_s: float
    end_unix_s: float

    @property
    def unit_s(self) -> float:
        """Seconds of a unit."""
        return self._unit()[0]

    @property
    def unit(self) -> str:
        """The unit's name."""
        return self._unit()[1]

    @property
    def end(self) -> float:
        """The length of the run, in units; above 0."""
        return max(1.0, self.end_unix_s - self.start_unix_s) / self.unit_s

    def since(self, unix_s: FloatArray) -> FloatArray:
        """Times as units since the start; not before it, whatever other clocks said."""
        found: FloatArray = np.maximum(0.0, unix_s - self.start_unix_s) / self.unit_s
        return found

    def _unit(self) -> tuple[float, str]:
        span_s = self.end_unix_s - self.start_unix_s
        for from_s, unit_s, name in _UNITS:
            if span_s >= from_s:
                return unit_s, name
        return 1.0, "seconds"


def bucket_edges(clock: Clock, items: int) -> FloatArray:
    """Borders of equal buckets over the run: enough for so many items to show a course."""
    buckets = int(np.clip(items // 2, FEWEST_BUCKETS, MOST_BUCKETS))
    edges: FloatArray = np.linspace(0.0, clock.end, buckets + 1)
    return edges


def rates(times: FloatArray, amounts: FloatArray, edges: FloatArray) -> FloatArray:
    """Amounts (n,) per unit of time in each bucket, each spread over the time since the one before.

    What comes in lumps was made in between; without that, buckets that catch one more lump than
    their neighbours look like a change of pace.
    """
    so_far = np.interp(edges, np.append(0.0, times), np.append(0.0, np.cumsum(amounts)))
    found: FloatArray = np.diff(so_far) / np.diff(edges)
    return found


def sums(times: FloatArray, amounts: FloatArray, edges: FloatArray) -> FloatArray:
    """The amounts (n,) that fall into each bucket; late ones count in the last."""
    found, _ = np.histogram(np.minimum(times, edges[-1]), bins=edges, weights=amounts)
    return found.astype(np.float64)


def shares(parts: FloatArray, wholes: FloatArray) -> FloatArray:
    """parts / wholes; nan where there is nothing."""
    found: FloatArray = np.full(len(wholes), np.nan)
    np.divide(parts, wholes, out=found, where=wholes > 0)
    return found


def thinned(*columns: FloatArray) -> tuple[FloatArray, ...]:
    """Columns of one length, at most MOST_POINTS rows of them: evenly chosen, first and last."""
    length = len(columns[0])
    if length <= MOST_POINTS:
        return columns
    chosen = np.linspace(0, length - 1, MOST_POINTS).round().astype(np.int64)
    return tuple(column[chosen] for column in columns)


def running_mean(amounts: FloatArray) -> FloatArray:
    """The mean of the first 1, 2, ... n amounts."""
    found: FloatArray = np.cumsum(amounts) / np.arange(1, len(amounts) + 1)
    return found
