"""What engines made and held, and what of it was in vain. Pure.

`engines` are the samples of each engine, in the order of time; an engine that another replaces on
its node is an engine of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from jobs.chaos.fleet import Happened, NodeEvent, node_name
from pipeline.engines.vllm_engine import PART_S
from tests.benchmarks.capacity import Span
from tests.benchmarks.flight import EVERY_S
from tests.benchmarks.tap import Sample

# An answer waits so long for the others of its part, and a sample is at most so old.
ON_THE_WAY_S = EVERY_S + PART_S

Engines = Sequence[Sequence[Sample]]


def generated(engines: Engines) -> int:
    """Output tokens that all engines made."""
    return sum(samples[-1].generated for samples in engines)


def in_flight(engines: Engines, events: Sequence[NodeEvent]) -> int:
    """Tokens of unfinished answers in the engines that went, when they first had to know of it."""
    return sum(
        before[-1].in_flight
        for event in first_words(events)
        if (before := _before(engines, event.node, event.unix_s))
    )


def on_the_way(engines: Engines, events: Sequence[NodeEvent]) -> int:
    """Tokens that those engines made in the last `ON_THE_WAY_S` seconds before."""
    found = 0
    for event in first_words(events):
        before = _before(engines, event.node, event.unix_s)
        if before:
            earlier = [one for one in before if one.unix_s <= event.unix_s - ON_THE_WAY_S]
            found += before[-1].generated - (earlier[-1].generated if earlier else 0)
    return found


def spans(engines: Engines, events: Sequence[NodeEvent], began_unix_s: float) -> Iterator[Span]:
    """When each engine was ready and not killed yet, in seconds from `began_unix_s`."""
    for samples in engines:
        first = samples[0]
        killed = [
            event.unix_s - began_unix_s
            for event in events
            if event.happened is Happened.KILLED
            and node_name(event.node) == first.node
            and event.unix_s > first.unix_s
        ]
        yield Span(first.unix_s - began_unix_s, min(killed, default=None))


def first_words(events: Sequence[NodeEvent]) -> Iterator[NodeEvent]:
    """Of every outage its notice, or its kill where there was none."""
    told: set[int] = set()
    for event in events:
        if event.happened is Happened.NOTICED:
            told.add(event.node)
            yield event
        elif event.happened is Happened.KILLED:
            if event.node not in told:
                yield event
            told.discard(event.node)


def _before(engines: Engines, node: int, unix_s: float) -> list[Sample]:
    """What the node's latest engine until then had sampled; empty where it had none."""
    found = [
        before
        for samples in engines
        if (before := [one for one in samples if one.unix_s <= unix_s])
        and before[-1].node == node_name(node)
    ]
    return max(found, key=lambda before: before[-1].unix_s, default=[])
