"""A run as the values that the live page shows.

Boundary: pure; words come from the same functions as on a terminal.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from jobs.status import RunStatus
from jobs.watch.trail import Trail
from jobs.watch.view import error_lines, facts
from jobs.wording.fleet import engine_cells, fleet_columns
from jobs.wording.interruptions import event_line
from jobs.wording.run import stale_line
from pipeline.progress import FINAL_STATES

EVENTS_SHOWN = 20


def picture(status: RunStatus, trail: Trail, *, now_unix_s: float, job: str) -> dict[str, Any]:
    """JSON values: `facts` and `engines` are rows of words, `points` draw the lines."""
    snapshot = status.snapshot
    is_stale = status.is_stale(now_unix_s)
    found: dict[str, Any] = {
        "name": status.name,
        "run_id": status.run_id,
        "state": status.state(now_unix_s),
        "saved_unix_s": status.written_unix_s,
        "warning": stale_line(status, now_unix_s=now_unix_s, job=job) if is_stale else None,
        "is_over": False,
        "share": 0.0,
        "facts": [],
        "engine_columns": list(fleet_columns()),
        "engines": [],
        "events": [],
        "errors": [],
        "points": [asdict(point) for point in trail.points],
    }
    if snapshot is None:
        return found
    is_over = snapshot.state in FINAL_STATES
    engines = [] if is_over else snapshot.fleet
    return found | {
        "is_over": is_over,
        "share": snapshot.documents_finished / max(1, snapshot.documents_total),
        "facts": facts(snapshot, trail),
        "engines": [engine_cells(engine, now_unix_s=now_unix_s) for engine in engines],
        "events": [event_line(one) for one in snapshot.interruptions.events[-EVENTS_SHOWN:]],
        "errors": error_lines(snapshot, trail),
    }
