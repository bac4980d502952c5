"""How a run's nodes are watched for notices, in words; pure, shared by every display."""

from __future__ import annotations

import time

from jobs.wording.numbers import count
from pipeline.node_watch import NodeWatch


def watch_lines(watch: NodeWatch) -> list[str]:
    """Everything a person has to know of it; nothing where nobody watches."""
    lines = []
    if watch.nodes or watch.notices:
        asked = f"{watch.source} is asked on {count(watch.nodes)} nodes"
        lines.append(f"notices: {asked}, {count(watch.notices)} seen")
    if watch.nodes_without_source:
        lines.append(
            f"nodes without notices: {count(watch.nodes_without_source)}; no cloud is known there, "
            "so that only Ray can say that they go (see spot.source)"
        )
    return lines + warning_lines(watch)


def warning_lines(watch: NodeWatch) -> list[str]:
    """What must not wait."""
    lines = []
    if watch.trouble is not None and watch.nodes_in_trouble:
        lines.append(
            f"notices may be missed: {count(watch.nodes_in_trouble)} nodes now; {watch.trouble}"
        )
    elif watch.trouble is not None:
        lines.append(f"notices may have been missed: {watch.trouble}")
    if watch.head_goes_by_unix_s is not None:
        until = time.strftime("%H:%M:%S", time.localtime(watch.head_goes_by_unix_s))
        lines.append(
            f"the cluster's head goes by {until}: the run ends with it; all that is finished is "
            "journaled, and the same command on a new cluster resumes"
        )
    return lines
