"""How the nodes of a run are watched for notices, as a value; who watches is not known here.

Boundary: values and the seam that gives them; made by whoever composes the run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class NodeWatch:
    """What is known of it at one moment; a few seconds old.

    `nodes` are asked now, `nodes_without_source` have work and nobody to ask, `nodes_in_trouble`
    cannot hear of a notice at the moment. `trouble` is the last one that a node had, with its
    remedy, also when it is over. The head goes by `head_goes_by_unix_s`, by its own clock.
    """

    source: str | None = None  # None while nobody watches
    nodes: int = 0
    nodes_without_source: int = 0
    notices: int = 0  # that nodes have seen, those that are gone too
    nodes_in_trouble: int = 0
    trouble: str | None = None
    head_goes_by_unix_s: float | None = None


UNWATCHED = NodeWatch()

LookAtNodes = Callable[[], NodeWatch]
"""Gives what is known now, at once."""

WatchNodes = Callable[[], AbstractContextManager[LookAtNodes]]
"""Entered while a run has engines: whoever has to tell Ray that nodes go does so inside."""


def nobody_looks() -> NodeWatch:
    """Where nobody watches."""
    return UNWATCHED


@contextmanager
def nobody_watches() -> Iterator[LookAtNodes]:
    """A run whose nodes nobody watches."""
    yield nobody_looks
