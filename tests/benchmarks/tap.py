"""When each document was answered, written down inside the engine's process.

Boundary: one file per process, one line per answer, flushed at once, so that a killed process
leaves what it did. Every side of a comparison uses the same tap at the same place: where vLLM has
answered.
"""

from __future__ import annotations

import os
import time
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

READY = "ready"
ANSWER = "answer"
FLIGHT = "flight"
NODE = "GLEANER_BENCHMARK_NODE"  # in the environment of a node that has a name
NO_NODE = "-"


@dataclass(frozen=True, slots=True)
class Answered:
    """One document answered by an engine, at a unix time."""

    unix_s: float
    document: str


@dataclass(frozen=True, slots=True)
class Sample:
    """One engine at a unix time, in output tokens."""

    unix_s: float
    node: str
    in_flight: int  # of the answers that it has not finished
    generated: int  # all that it has made so far, whatever became of them


class Tap:
    """Appends to a file of its own in `folder`; not picklable, made where it writes."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._file = (folder / f"{os.getpid()}-{uuid.uuid4().hex}.log").open("a", buffering=1)

    def ready(self) -> None:
        """The engine can take work."""
        self._file.write(f"{READY} {time.time():.4f} {os.environ.get(NODE, NO_NODE)}\n")

    def answered(self, documents: Iterable[str]) -> None:
        """The engine has just answered these."""
        now_s = time.time()
        self._file.write("".join(f"{ANSWER} {now_s:.4f} {one}\n" for one in documents))

    def sampled(self, in_flight: int, generated: int) -> None:
        """So many tokens of unfinished answers are in the engine now, and so many it has made."""
        self._file.write(f"{FLIGHT} {time.time():.4f} {in_flight} {generated}\n")


def answers(folder: Path) -> list[Answered]:
    """Every answer of every engine, in the order of time, with repetitions."""
    found = [Answered(unix_s, name) for kind, unix_s, name in _lines(folder) if kind == ANSWER]
    return sorted(found, key=lambda one: one.unix_s)


def flights(folder: Path) -> list[list[Sample]]:
    """The samples of every engine that has any, in the order of time."""
    return [samples for file in folder.glob("*.log") if (samples := list(_samples(file)))]


def first_ready_unix_s(folder: Path) -> float:
    """When the first engine was ready."""
    return min(ready_unix_s(folder))


def ready_unix_s(folder: Path) -> list[float]:
    """When each engine was ready; empty before the first."""
    return [unix_s for kind, unix_s, _ in _lines(folder) if kind == READY]


def ready_engines(folder: Path) -> list[int]:
    """The processes whose engines are ready, or were."""
    files = folder.glob("*.log")
    return [_process(file) for file in files if any(kind == READY for kind, *_ in _lines_of(file))]


def tiers_answered(folder: Path) -> dict[int, str]:
    """By process, the tier of Gleaner that its engine answered for; those that answered only."""
    found = {}
    for file in folder.glob("*.log"):
        names = [name for kind, _, name in _lines_of(file) if kind == ANSWER]
        if names:
            found[_process(file)] = names[0].rpartition(".")[2]
    return found


def steady_per_s(folder: Path) -> float:
    """Documents per second between the first and the last tenth.

    It begins later where an engine was ready later, but not after half of the documents.
    """
    answered = answers(folder)
    all_ready_unix_s = max(ready_unix_s(folder))
    early = sum(one.unix_s < all_ready_unix_s for one in answered)
    first, last = min(max(early, len(answered) // 10), len(answered) // 2), len(answered) * 9 // 10
    return (last - first) / (answered[last].unix_s - answered[first].unix_s)


def repeated(answered: list[Answered]) -> int:
    """Answers that were not a document's first."""
    return sum(times - 1 for times in Counter(one.document for one in answered).values())


def lost(answered: list[Answered], killed_unix_s: float) -> int:
    """Documents answered before that moment and again after it: finished work that was lost."""
    before = {one.document for one in answered if one.unix_s <= killed_unix_s}
    after = {one.document for one in answered if one.unix_s > killed_unix_s}
    return len(before & after)


def _samples(file: Path) -> Iterator[Sample]:
    node = NO_NODE
    for kind, unix_s, rest in _lines_of(file):
        if kind == READY:
            node = rest
        elif kind == FLIGHT:
            in_flight, generated = rest.split()
            yield Sample(unix_s, node, int(in_flight), int(generated))


def _process(file: Path) -> int:
    return int(file.name.partition("-")[0])


def _lines(folder: Path) -> list[tuple[str, float, str]]:
    return [line for file in folder.glob("*.log") for line in _lines_of(file)]


def _lines_of(file: Path) -> Iterator[tuple[str, float, str]]:
    # A process that is killed may leave a piece of a line behind the last line end.
    for line in file.read_text().rpartition("\n")[0].splitlines():
        kind, unix_s, name = line.split(" ", 2)
        yield kind, float(unix_s), name
