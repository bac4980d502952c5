"""What sentinels tell of their nodes, and what all of it amounts to for a person.

Boundary: pure values; the actors make the reports, the driver's thread collects them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Set
from dataclasses import dataclass

from infra.spot.sentinel import Noticed


@dataclass(frozen=True, slots=True)
class NodeReport:
    """One node's sentinel, the last time it was asked; all it noticed so far."""

    is_head: bool
    sources: tuple[str, ...]  # their names; empty where there is nobody to ask
    noticed: tuple[Noticed, ...]
    troubles: tuple[str, ...]  # that last, with their remedies


@dataclass(frozen=True, slots=True)
class Overview:
    """All nodes together, in the words of `pipeline.node_watch.NodeWatch`."""

    source: str
    nodes: int
    nodes_without_source: int
    notices: int
    nodes_in_trouble: int
    trouble: str | None  # the one that most nodes have now
    head_goes_by_unix_s: float | None


def overview(setting: str, reports: Mapping[str, NodeReport], at_work: Set[str]) -> Overview:
    """What the reports amount to, by node id; nodes that are not `at_work` are gone or idle.

    `setting` is what the job names as its source: it is shown until a node has found one.
    """
    here = [reports[node_id] for node_id in reports.keys() & at_work]
    found = sorted({name.split()[0] for one in reports.values() for name in one.sources})
    troubles = Counter(trouble for one in here for trouble in one.troubles)
    head_deadlines = [
        seen.notice.deadline_unix_s
        for one in reports.values()
        if one.is_head
        for seen in one.noticed
        if seen.notice.deadline_unix_s is not None
    ]
    return Overview(
        source=", ".join(found) or setting,
        nodes=sum(bool(one.sources) for one in here),
        nodes_without_source=sum(not one.sources for one in here),
        notices=sum(len(one.noticed) for one in reports.values()),
        nodes_in_trouble=sum(bool(one.troubles) for one in here),
        trouble=troubles.most_common(1)[0][0] if troubles else None,
        head_goes_by_unix_s=min(head_deadlines, default=None),
    )
