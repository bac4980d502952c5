"""How long a run would have taken that loses nothing but the nodes it does not have. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Change:
    """From this moment on, so many nodes more or fewer are up."""

    at_s: float
    nodes: int


def ideal_wall_s(whole_wall_s: float, nodes: int, changes: Sequence[Change]) -> float:
    """Seconds until a fleet of `nodes` that changes so has given as many node seconds as it gives
    in `whole_wall_s` when nothing happens; inf where it never does.

    Times count from the same moment, at which all nodes are up.
    """
    needed_s = whole_wall_s * nodes
    up, now_s = nodes, 0.0
    for change in sorted(changes, key=lambda change: change.at_s):
        given_s = up * (change.at_s - now_s)
        if given_s >= needed_s:
            break
        needed_s -= given_s
        up, now_s = up + change.nodes, change.at_s
    return now_s + needed_s / up if up > 0 else float("inf")
