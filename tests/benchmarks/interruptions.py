"""What interruptions cost, Gleaner against stock, under the same schedules.

    python -m tests.benchmarks.interruptions [--quick] [--trace FILE]

Real vLLM, one engine per node, the same documents, nodes and taps on every side. Schedules: nothing
(what the others are compared with), a notice, a kill without notice, all nodes lost at once.
Replacements come some seconds later. A drain is the same call to Ray on every side, so stock gets
what Ray itself makes of it; a node is killed by SIGKILL at its deadline. `--trace` adds a
recorded trace of spot capacity. Prints the figures as JSON on the last line of stdout.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from infra.spot.builtin_schedules import Setting, built_in
from infra.spot.schedule import Schedule
from infra.spot.trace import parse_trace, replay
from jobs.chaos.fleet import Happened
from tests.benchmarks.capacity import Change, ideal_wall_s
from tests.benchmarks.figures import Figure, at_most, plain, print_figures
from tests.benchmarks.gleaner_side import write_job
from tests.benchmarks.interrupted import DidNotFinishError, Side, Suffered, as_json, suffer
from tests.benchmarks.sides import Stock, command
from tests.benchmarks.workload import Folder, write_workload

DOCUMENTS, QUICK_DOCUMENTS = 4000, 1500
SETTING = Setting(nodes=2, notice_s=12.0, back_s=8.0)  # of 40 s of work; AWS gives 120 s
FLUSH_S = 5.0  # the default of a job
LIMIT_S = 600.0
TRACE_SPEED = 120.0
NAMES = {"notice": "notice", "kill": "kill without notice", "all": "all nodes lost at once"}
GLEANER = "Gleaner"
STOCKS = (
    Stock("stock ray.data.llm", batch_size=32, rows_per_block=None),
    Stock("stock ray.data.llm, blocks of 32", batch_size=16, rows_per_block=32),
)


def measure(count: int, stocks: Sequence[Stock], trace: Path | None) -> list[Figure]:
    """Every side under every schedule."""
    schedules = {NAMES[name]: built_in(name, SETTING) for name in NAMES}
    if trace is not None:
        recorded = parse_trace(trace.read_text()).faster(TRACE_SPEED)
        name = f"replay of {trace.stem}"
        schedules[name] = replay(
            recorded, name=name, nodes=SETTING.nodes, seed=7, notice_s=SETTING.notice_s
        )
    figures: list[Figure] = []
    for stock in (None, *stocks):
        undisturbed = _run(stock, count, built_in("none", SETTING))
        if isinstance(undisturbed, str):
            raise DidNotFinishError(undisturbed)
        name = GLEANER if stock is None else stock.name
        figures.append(plain(f"{_named(name, 'undisturbed')}: wall", undisturbed.wall_s, "s"))
        for words, schedule in schedules.items():
            its = _run(stock, count, schedule)
            if isinstance(its, str):
                figures.append(plain(f"{_named(name, words)}: ended without its results", 1, "run"))
                continue
            figures += _figures(_named(name, words), its, undisturbed, schedule, stock is None)
    return figures


def _named(side: str, words: str) -> str:
    return f"interruptions: {side}, {words}"


def _figures(
    name: str, its: Suffered, undisturbed: Suffered, schedule: Schedule, has_aims: bool
) -> list[Figure]:
    changes = [
        Change(event.unix_s - its.began_unix_s, 1 if event.happened is Happened.UP else -1)
        for event in its.events
        if event.happened in (Happened.UP, Happened.KILLED) and event.unix_s > its.began_unix_s
    ]
    ideal_s = ideal_wall_s(undisturbed.wall_s, schedule.nodes, changes)
    is_noticed = all(outage.notice_s > 0 for outage in schedule.outages)
    died = 100 * its.tokens_died / its.tokens_held if its.tokens_held else 0.0
    twice = f"{name}: finished documents generated twice"
    tokens = f"{name}: tokens of unfinished answers lost, of {its.tokens_held:,} in flight"
    wall = f"{name}: wall over what the nodes allowed"
    return [
        at_most(twice, its.answered_twice, "documents", 0)
        if has_aims and is_noticed
        else plain(twice, its.answered_twice, "documents"),
        plain(f"{name}: tokens of those documents", its.tokens_twice, "tokens"),
        at_most(tokens, died, "%", 1 if is_noticed else 100)
        if has_aims
        else plain(tokens, died, "%"),
        plain(f"{name}: wall over undisturbed", its.wall_s / undisturbed.wall_s, "x"),
        at_most(wall, its.wall_s / ideal_s, "x", 1.1)
        if has_aims
        else plain(wall, its.wall_s / ideal_s, "x"),
    ]


def _run(stock: Stock | None, count: int, schedule: Schedule) -> Suffered | str:
    """What a side suffered, or why it has no results."""
    with tempfile.TemporaryDirectory(prefix="gleaner-interruptions-") as name:
        folder = write_workload(Path(name), count)
        side = _side(stock, folder, schedule.nodes)
        try:
            suffered = suffer(side, folder, count, schedule, limit_s=LIMIT_S)
        except DidNotFinishError as error:
            print(f"  {side.name}, {schedule.name}: {error}", file=sys.stderr, flush=True)
            return str(error)
    print(f"  {side.name}, {schedule.name}: {as_json(suffered)}", file=sys.stderr, flush=True)
    return suffered


def _side(stock: Stock | None, folder: Folder, nodes: int) -> Side:
    if stock is None:
        write_job(folder, FLUSH_S, nodes, has_confidence=False, num_gpus=1.0)
        return Side(GLEANER, command("gleaner_side", folder.path), "results")
    settings = (folder.path, stock.batch_size, stock.rows_per_block or 0, nodes)
    return Side(stock.name, command("stock_side", *settings), "")


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Take nodes from every side.")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--trace", type=Path, help="a recorded trace of spot capacity, besides")
    options = parser.parse_args(arguments)
    count = QUICK_DOCUMENTS if options.quick else DOCUMENTS
    print_figures(measure(count, STOCKS[:1] if options.quick else STOCKS, options.trace))


if __name__ == "__main__":
    main()
