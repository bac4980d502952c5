"""Figures as tables: on the terminal, and in RESULTS.md between its two marks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path

from rich.table import Table

from tests.benchmarks.figures import Figure
from tests.benchmarks.machine import Machine

RESULTS = Path(__file__).with_name("RESULTS.md")
BEGIN, END = "<!-- tables: begin -->", "<!-- tables: end -->"
HEADING = "### "


def as_table(figures: Sequence[Figure]) -> Table:
    """All figures for a terminal."""
    table = Table("figure", "value", "unit", "target", "met", "held against")
    table.columns[1].justify = "right"
    for figure in figures:
        table.add_row(*_cells(figure, figure.name))
    return table


def render(
    figures: Sequence[Figure],
    machines: Mapping[str, Machine],
    order: Sequence[str],
    file: Path = RESULTS,
) -> None:
    """Put a section per benchmark between the marks of `file`; all others stay.

    Sections stand in `order`. Raises ValueError where the marks are not there.
    """
    before, begin, rest = file.read_text().partition(BEGIN)
    tables, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"{file} has no place for tables: put {BEGIN} and {END} into it")
    sections = _known(tables) | _made(figures, machines)
    texts = [sections[name] for name in order if name in sections]
    file.write_text("\n\n".join([f"{before}{BEGIN}", *texts, f"{END}{after}"]))


def _known(tables: str) -> dict[str, str]:
    """The sections that are there, by the benchmark they are of."""
    found = [section.strip() for section in tables.split(HEADING)[1:]]
    return {one.partition("\n")[0].strip(): f"{HEADING}{one}" for one in found}


def _machine(machine: Machine) -> str:
    packages = ", ".join(f"{name} {number}" for name, number in machine.packages.items())
    warning = "\n\n**A quick run with small inputs: these figures say little.**"
    return (
        f"Measured {machine.measured} at commit {machine.commit}: {machine.cores} cores of "
        f"{machine.processor}, {machine.memory_gib:.0f} GiB, GPU: {machine.gpu}; Python "
        f"{machine.python}, {packages}." + (warning if machine.is_quick else "")
    )


def _made(figures: Sequence[Figure], machines: Mapping[str, Machine]) -> dict[str, str]:
    sections = {}
    for name, group in groupby(figures, key=lambda figure: figure.name.partition(":")[0]):
        lines = [
            f"{HEADING}{name}",
            "",
            *([_machine(machines[name]), ""] if name in machines else []),
            "| figure | value | unit | target | met | held against |",
            "|---|---:|---|---|---|---|",
        ]
        for figure in group:
            cells = _cells(figure, figure.name.partition(": ")[2])
            lines.append("| " + " | ".join(cells) + " |")
        sections[name] = "\n".join(lines)
    return sections


def _cells(figure: Figure, name: str) -> tuple[str, ...]:
    met = {None: "", True: "yes", False: "NO"}[figure.met]
    value = _rounded(figure.value)
    return name, value, figure.unit, figure.target or "", met, figure.peer or ""


def _rounded(value: float) -> str:
    """Three significant digits, and no fewer than all digits before the point."""
    size = abs(value)
    digits = 0 if size >= 100 or value == int(value) else 1 if size >= 10 else 2
    return f"{value:,.{digits if size >= 1 or size == 0 else 3}f}"
