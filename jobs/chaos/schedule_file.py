"""A schedule of interruptions from a YAML file.

    outages:
      - {at: 30%, node: 1, notice: 20, back: 10}
      - {at: 30% + 5, node: [2, 3], back: 10}      # no notice: they vanish
      - {at: 60, node: all, notice: 20, dies: 3}   # 60 s after the first engine was ready
      - {at: 80%, node: driver, back: 0}           # killed, and the same command started again

Boundary: people's words in, a `Schedule` out.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from infra.spot.schedule import DRIVER, Moment, Outage, Schedule, ScheduleError, in_order
from jobs.spec.base import Amount, Count, Part, Seconds
from jobs.spec.errors import Problem, SpecError, problems_of
from jobs.spec.yaml import read_yaml

_AT = re.compile(
    r"(?:(?P<share>\d+(?:\.\d+)?)\s*%)?(?:(?:^|\s*\+\s*)(?P<after>\d+(?:\.\d+)?)\s*s?)?"
)


class OutageSpec(Part):
    """One node, several, all of them or the driver go."""

    at: str | Amount
    """A share of the finished documents (30%), seconds (60), or both (30% + 5)."""
    node: Count | tuple[Count, ...] | Literal["all", "driver"]
    """A number from 1, several, all, or the driver of the run."""
    notice: Amount = 0.0
    """Seconds from the notice to the deadline, at which they are killed. 0: no notice."""
    dies: Seconds | None = None
    """Killed so many seconds after the notice, although the deadline is later."""
    back: Amount | None = None
    """Seconds from the death until another is there. None: never."""


class ScheduleSpec(Part):
    """A schedule file."""

    outages: Annotated[tuple[OutageSpec, ...], Field(min_length=1)]
    """What happens, in any order."""


def read_schedule(file: Path, *, nodes: int) -> Schedule:
    """The schedule in a file, for a fleet of `nodes`.

    Raises:
        SpecError: with everything that is wrong with it.
        OSError: the file cannot be read.
    """
    tree, unread = read_yaml(file.read_text(encoding="utf-8"), {})
    try:
        spec = ScheduleSpec.model_validate(tree)
    except ValidationError as error:
        raise SpecError([*unread, *problems_of(error, ScheduleSpec)]) from error
    problems = list(unread)
    outages: list[Outage] = []
    for index, its in enumerate(spec.outages):
        try:
            outages += _outages(its, nodes)
        except ScheduleError as error:
            problems.append(Problem(f"outages[{index}]", str(error), None, "correct it"))
    if problems:
        raise SpecError(problems)
    try:
        return Schedule(file.stem, nodes, in_order(outages))
    except ScheduleError as error:
        raise SpecError([Problem("outages", str(error), None, "see --nodes")]) from error


def _outages(spec: OutageSpec, nodes: int) -> list[Outage]:
    at = parse_moment(spec.at)
    return [
        Outage(at, node, spec.notice, spec.dies, spec.back) for node in _targets(spec.node, nodes)
    ]


def _targets(node: int | tuple[int, ...] | str, nodes: int) -> tuple[int, ...]:
    if node == "driver":
        return (DRIVER,)
    if node == "all":
        return tuple(range(1, nodes + 1))
    return (node,) if isinstance(node, int) else tuple(int(one) for one in node)


def parse_moment(at: str | float) -> Moment:
    """`30%`, `60`, `60s` or `30% + 5` as a moment; ScheduleError for anything else."""
    if not isinstance(at, str):
        return Moment(after_s=float(at))
    found = _AT.fullmatch(at.strip())
    if found is None or not at.strip():
        raise ScheduleError(f"at is {at!r}: write 30%, 60 or 30% + 5")
    return Moment(float(found["share"] or 0) / 100, float(found["after"] or 0))
