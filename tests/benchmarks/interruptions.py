"""What interruptions cost, Gleaner against stock, under the same schedules.

    python -m tests.benchmarks.interruptions [--quick] [--trace FILE]

Real vLLM, one engine per node, the same documents, nodes and taps on every side. Schedules: nothing
(what the others are compared with), a notice, a kill without notice, all nodes lost at once.
Replacements come some seconds later. A drain is the same call to Ray on every side, so stock gets
what Ray itself makes of it; a node is killed by SIGKILL at its deadline. Besides, Gleaner under
notice with a JSON schema, where no answer can be continued. `--trace` adds a recorded trace of
spot capacity. Takes less than 25 minutes on two quiet cores. Prints the figures as JSON on the last
line of stdout.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from infra.spot.builtin_schedules import Setting, built_in
from infra.spot.schedule import Schedule
from infra.spot.trace import parse_trace, replay
from jobs.chaos.fleet import Happened
from tests.benchmarks.capacity import Change, changes_of, ideal_wall_s
from tests.benchmarks.figures import Figure, at_most, plain, print_figures
from tests.benchmarks.gleaner_side import write_job
from tests.benchmarks.interrupted import DidNotFinishError, Side, Suffered, as_json, suffer
from tests.benchmarks.rows import WrongRowsError
from tests.benchmarks.sides import Stock, command
from tests.benchmarks.workload import ROOT, Folder, write_workload

DOCUMENTS, QUICK_DOCUMENTS = 3000, 1500
SETTING = Setting(nodes=2, notice_s=12.0, back_s=8.0)  # of half a minute; AWS gives 120 s
SHORT_NOTICE_S = 6.0  # less than a drain needs: what runs is ended at once
FLUSH_S = 5.0  # the default of a job
LIMIT_S = 300.0
ON_THE_WAY_SHARE = 0.01  # of the documents: finished when their engine died, and not yet received
NOTICED_SHARE = 0.01  # of the tokens in flight at a notice, that may be lost
TRACE_SPEED = 120.0
NAMES = {"notice": "notice", "kill": "kill without notice", "all": "all nodes lost at once"}


@dataclass(frozen=True, slots=True)
class Contender:
    """Stock in some setting, or Gleaner, whose answers may have to fit a JSON schema."""

    name: str
    stock: Stock | None = None
    schema: Path | None = None

    @property
    def has_aims(self) -> bool:
        """Whether its figures are held against anything."""
        return self.stock is None and self.schema is None


STOCK = Stock("stock ray.data.llm", batch_size=32, rows_per_block=None)
SMALL_BLOCKS = Stock("stock ray.data.llm, blocks of 32", batch_size=16, rows_per_block=32)
SIDES = (
    Contender("Gleaner"),
    Contender(STOCK.name, STOCK),
    Contender(SMALL_BLOCKS.name, SMALL_BLOCKS),
)
WITH_SCHEMA = Contender("Gleaner with a JSON schema", schema=ROOT / "jobs/demo/schema.json")


def measure(count: int, sides: Sequence[Contender], trace: Path | None) -> list[Figure]:
    """Every side under every schedule, and what a grammar costs under notice."""
    schedules = {NAMES[name]: built_in(name, SETTING) for name in NAMES}
    if trace is not None:
        recorded = parse_trace(trace.read_text()).faster(TRACE_SPEED)
        name = f"replay of {trace.stem}"
        schedules[name] = replay(
            recorded, name=name, nodes=SETTING.nodes, seed=7, notice_s=SETTING.notice_s
        )
    figures: list[Figure] = []
    for side in sides:
        undisturbed = _run(side, count, built_in("none", SETTING))
        if isinstance(undisturbed, str):
            raise DidNotFinishError(undisturbed)
        figures += undisturbed_figures(_named(side, "undisturbed"), undisturbed, side.has_aims)
        for words, schedule in schedules.items():
            name = _named(side, words)
            its = _run(side, count, schedule)
            if isinstance(its, str):
                figures.append(_no_results(name, side.has_aims))
            else:
                figures += _figures(name, its, undisturbed, schedule, count, side.has_aims)
    return figures + _with_schema(count)


def _with_schema(count: int) -> list[Figure]:
    """The worst case of a notice: no answer can be continued elsewhere; with and without time."""
    short = replace(SETTING, notice_s=SHORT_NOTICE_S)
    return [
        *_schema_figures(NAMES["notice"], count, SETTING),
        *_schema_figures(f"notice of {SHORT_NOTICE_S:g} s", count, short),
    ]


def _schema_figures(words: str, count: int, setting: Setting) -> list[Figure]:
    name = _named(WITH_SCHEMA, words)
    its = _run(WITH_SCHEMA, count, built_in("notice", setting))
    if isinstance(its, str):
        return [_no_results(name, WITH_SCHEMA.has_aims)]
    return [
        plain(f"{name}: documents begun again", its.begun_again, "documents"),
        *waste_figures(name, its, is_noticed=True, has_aims=False),
    ]


def _named(side: Contender, words: str) -> str:
    return f"interruptions: {side.name}, {words}"


def _no_results(name: str, has_aims: bool) -> Figure:
    return _held_to(f"{name}: ended without its results", 1, "run", 0 if has_aims else None)


def _figures(
    name: str,
    its: Suffered,
    undisturbed: Suffered,
    schedule: Schedule,
    count: int,
    has_aims: bool,
) -> list[Figure]:
    changes = [
        Change(event.unix_s - its.began_unix_s, 1 if event.happened is Happened.UP else -1)
        for event in its.events
        if event.happened in (Happened.UP, Happened.KILLED) and event.unix_s > its.began_unix_s
    ]
    ideal_s = ideal_wall_s(undisturbed.wall_s * schedule.nodes, schedule.nodes, changes)
    engine_s = sum(span.until_s(undisturbed.wall_s) for span in undisturbed.engines)
    engines_ideal_s = ideal_wall_s(engine_s, 0, changes_of(its.engines))
    is_noticed = all(outage.notice_s > 0 for outage in schedule.outages)
    wall = f"{name}: wall over what the nodes allowed"
    engines_wall = f"{name}: wall over what the engines that were ready allowed"
    return [
        *twice_figures(name, its, count, is_noticed=is_noticed, has_aims=has_aims),
        *waste_figures(name, its, is_noticed=is_noticed, has_aims=has_aims),
        plain(f"{name}: wall over undisturbed", its.wall_s / undisturbed.wall_s, "x"),
        _held_to(wall, its.wall_s / ideal_s, "x", 1.1 if has_aims else None),
        _held_to(engines_wall, its.wall_s / engines_ideal_s, "x", 1.1 if has_aims else None),
    ]


def undisturbed_figures(name: str, its: Suffered, has_aims: bool) -> list[Figure]:
    """The wall time, and whether tokens of engines and rows are the same: is the meter right?"""
    apart = f"{name}: tokens of engines and of rows differ by"
    return [
        plain(f"{name}: wall", its.wall_s, "s"),
        _held_to(apart, abs(its.tokens_wasted), "tokens", 0 if has_aims else None),
    ]


def twice_figures(
    name: str, its: Suffered, count: int, *, is_noticed: bool, has_aims: bool
) -> list[Figure]:
    """Finished documents that were generated again; without notice only what was on its way."""
    bound = 0.0 if is_noticed else ON_THE_WAY_SHARE * count
    twice = f"{name}: finished documents generated twice"
    return [
        _held_to(twice, its.answered_twice, "documents", bound if has_aims else None),
        plain(f"{name}: tokens of those documents", its.tokens_twice, "tokens"),
    ]


def waste_figures(name: str, its: Suffered, *, is_noticed: bool, has_aims: bool) -> list[Figure]:
    """Tokens that were generated in vain, against those in flight in the engines that went.

    With notice nearly none of these may be lost; without, no more than the engines had in hand.
    """
    bound = float(its.tokens_in_flight + its.tokens_on_the_way)
    if is_noticed:
        bound = NOTICED_SHARE * its.tokens_in_flight
    wasted = f"{name}: tokens generated in vain"
    moment = "notice" if is_noticed else "kill"
    return [
        plain(f"{name}: tokens in flight at the {moment}", its.tokens_in_flight, "tokens"),
        _held_to(wasted, its.tokens_wasted, "tokens", bound if has_aims else None),
    ]


def _held_to(name: str, value: float, unit: str, bound: float | None) -> Figure:
    return plain(name, value, unit) if bound is None else at_most(name, value, unit, bound)


def _run(one: Contender, count: int, schedule: Schedule) -> Suffered | str:
    """What a side suffered, or why it has no results."""
    with tempfile.TemporaryDirectory(prefix="gleaner-interruptions-") as name:
        folder = write_workload(Path(name), count)
        side = _side(one, folder, schedule.nodes)
        try:
            suffered = suffer(side, folder, count, schedule, limit_s=LIMIT_S)
        except (DidNotFinishError, WrongRowsError) as error:
            print(f"  {side.name}, {schedule.name}: {error}", file=sys.stderr, flush=True)
            return str(error)
    print(f"  {side.name}, {schedule.name}: {as_json(suffered)}", file=sys.stderr, flush=True)
    return suffered


def _side(one: Contender, folder: Folder, nodes: int) -> Side:
    if one.stock is None:
        write_job(folder, FLUSH_S, nodes, has_confidence=False, num_gpus=1.0, schema=one.schema)
        return Side(one.name, command("gleaner_side", folder.path), "results")
    settings = (folder.path, one.stock.batch_size, one.stock.rows_per_block or 0, nodes)
    return Side(one.name, command("stock_side", *settings), "")


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Take nodes from every side.")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--trace", type=Path, help="a recorded trace of spot capacity, besides")
    options = parser.parse_args(arguments)
    count = QUICK_DOCUMENTS if options.quick else DOCUMENTS
    print_figures(measure(count, SIDES[:2] if options.quick else SIDES, options.trace))


if __name__ == "__main__":
    main()
