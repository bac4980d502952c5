"""CPU seconds of engines, seen from outside while they run.

Boundary: a tap's file is named by the process of its engine; what that process and those it had
started spend counts from when the engine was ready. Nothing in the engine's process is touched.
Invariant: a process that is gone keeps what it had spent when it was last looked at.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tests.benchmarks.tap import ready_engines, tiers_answered


@dataclass(slots=True)
class EngineCpu:
    """The engines that write to one tap; `look` again and again until they are gone."""

    tap: Path
    _processes: dict[int, list[psutil.Process]] = field(default_factory=dict)
    _first_s: dict[int, float] = field(default_factory=dict)
    _last_s: dict[int, float] = field(default_factory=dict)

    def look(self) -> None:
        """Note what each engine has spent by now."""
        for process_id in ready_engines(self.tap):
            try:
                spent_s = sum(_spent_s(one) for one in self._of_engine(process_id))
            except psutil.NoSuchProcess:
                continue
            self._first_s.setdefault(process_id, spent_s)
            self._last_s[process_id] = spent_s

    def by_tier(self) -> Mapping[str, float]:
        """CPU seconds since they were ready, of the engines that answered anything."""
        found: Counter[str] = Counter()
        for process_id, tier in tiers_answered(self.tap).items():
            if process_id in self._last_s:
                found[tier] += self._last_s[process_id] - self._first_s[process_id]
        return found

    def _of_engine(self, process_id: int) -> list[psutil.Process]:
        if process_id not in self._processes:
            its = psutil.Process(process_id)
            self._processes[process_id] = [its, *its.children(recursive=True)]
        return self._processes[process_id]


def _spent_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)
