"""The engines of a run as one sees them: where each is, what it does, whether it has to go.

Boundary: pure values; engines tell the board what they did, the driver knows Ray's nodes.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from pipeline.engine_log import EngineSign
from pipeline.interruptions import Interruption

SHOWN = 200  # engines; a larger fleet is told of in sums
SILENT_S = 30.0  # an engine without a sign for so long is loading, hangs, or is gone


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """What Ray says of a node: its address, and the labels that clouds and users give it."""

    address: str
    market: str | None = None  # spot or on-demand
    machine: str | None = None  # the cloud's name of its size
    zone: str | None = None


@dataclass(frozen=True, slots=True)
class EngineStanding:
    """One engine at this moment; `goes_by_unix_s` by the clock of its node, inf never."""

    tier: str
    node: str  # its address, or Ray's id where that is not known
    market: str | None
    machine: str | None
    zone: str | None
    documents: int
    prompt_tokens: int
    output_tokens: int
    output_tokens_per_s: float
    silent_s: float
    has_notice: bool
    goes_by_unix_s: float | None


def fleet_of(
    signs: Mapping[str, EngineSign],
    events: Mapping[str, Interruption],
    nodes: Mapping[str, NodeFacts],
    dead_nodes: Collection[str],
) -> tuple[EngineStanding, ...]:
    """The engines that are there, by tier and node."""
    standings = []
    for engine, sign in signs.items():
        event = events.get(engine)
        if sign.node in dead_nodes or (event is not None and event.ended_unix_s is not None):
            continue
        facts = nodes.get(sign.node, NodeFacts(sign.node[:12]))
        standings.append(
            EngineStanding(
                tier=sign.tier,
                node=facts.address,
                market=facts.market,
                machine=facts.machine,
                zone=facts.zone,
                documents=sign.work.documents,
                prompt_tokens=sign.work.prompt_tokens,
                output_tokens=sign.work.output_tokens,
                output_tokens_per_s=sign.output_tokens_per_s,
                silent_s=sign.silent_s,
                has_notice=event is not None,
                goes_by_unix_s=None if event is None else event.deadline_unix_s,
            )
        )
    return tuple(sorted(standings, key=lambda one: (one.tier, one.node)))[:SHOWN]
