"""A source of notices: something a node asks about itself, every few seconds.

Boundary: a value of callables, made by the files beside this one; the sentinel calls it and knows
no cloud. Each source is read by itself, so that one that fails hides nothing from the others.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from infra.spot.notices import Notice


def _nothing(_: Notice) -> None:
    """Most clouds do not ask for an answer."""


@dataclass(frozen=True, slots=True)
class Source:
    """How one kind of notice is read, and answered where the cloud waits for an answer.

    `read(now_unix_s)` gives what is announced now, deadlines by the node's own clock, assumed
    ones counted from `now_unix_s`; it takes seconds at most and raises SourceError.
    `acknowledge(notice)` tells the cloud that it may take the machine before the deadline; it
    raises SourceError too. `remedy` is what a person can do about a source that does not answer.
    """

    name: str
    read: Callable[[float], Sequence[Notice]]
    acknowledge: Callable[[Notice], None] = _nothing
    remedy: str = ""
