"""Recorded traces of real spot markets, replayed; they are no part of this repository.

GLEANER_TRACES names a folder with files of the format that `infra/spot/trace.py` describes.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from infra.spot.clockwork import Clockwork, Does
from infra.spot.trace import Trace, parse_trace, replay

FOLDER = os.environ.get("GLEANER_TRACES")
FILES = sorted(Path(FOLDER).rglob("*.json")) if FOLDER else []
NODES = 3


@pytest.mark.skipif(not FILES, reason="GLEANER_TRACES names no folder with recorded traces")
def test_every_recorded_trace_is_replayed_with_its_counts() -> None:
    for file in FILES:
        trace = parse_trace(file.read_text())
        ticks = Trace(1.0, trace.available)
        schedule = replay(ticks, name=file.stem, nodes=NODES, seed=7, notice_s=0.2)
        clockwork, up = Clockwork(schedule), len(schedule.up_at_first)
        for tick, count in enumerate(trace.available):
            for act in clockwork.due(float(tick), 0.0):
                up += {Does.KILL: -1, Does.RETURN: 1}.get(act.does, 0)
            assert up == min(count, NODES), (file.name, tick)
