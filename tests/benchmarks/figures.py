"""Figures and where they go: build/bench.json, one entry per figure.

A benchmark runs in a process of its own and hands its figures on as JSON on the last line of its
stdout. A figure's name begins with its benchmark's, up to the colon.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

OUT = Path("build/bench.json")


@dataclass(frozen=True)
class Figure:
    """One measured number; `target` and `peer` say what it is held against, if anything."""

    name: str
    value: float
    unit: str
    target: str | None
    met: bool | None
    peer: str | None


def at_least(name: str, value: float, unit: str, bound: float, peer: str | None = None) -> Figure:
    """A figure that should not be smaller than `bound`."""
    return Figure(name, value, unit, f">= {bound:g}", value >= bound, peer)


def at_most(name: str, value: float, unit: str, bound: float, peer: str | None = None) -> Figure:
    """A figure that should not be larger than `bound`."""
    return Figure(name, value, unit, f"<= {bound:g}", value <= bound, peer)


def plain(name: str, value: float, unit: str, peer: str | None = None) -> Figure:
    """A figure without a target of its own."""
    return Figure(name, value, unit, None, None, peer)


def write_figures(figures: list[Figure], out: Path = OUT) -> None:
    """Write all figures, replacing what was there."""
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps([asdict(figure) for figure in figures], indent=2) + "\n")


def read_figures(file: Path = OUT) -> list[Figure]:
    """What `write_figures` wrote; none where nothing was written yet."""
    if not file.exists():
        return []
    return [Figure(**fields) for fields in json.loads(file.read_text())]


def print_figures(figures: list[Figure]) -> None:
    """Hand figures to the process that started this one."""
    print(json.dumps([asdict(figure) for figure in figures]), flush=True)


def parse_figures(stdout: str) -> list[Figure]:
    """The figures that a benchmark's process printed."""
    lines = stdout.strip().splitlines()
    if not lines:
        raise ValueError("the benchmark printed no figures")
    return [Figure(**fields) for fields in json.loads(lines[-1])]
