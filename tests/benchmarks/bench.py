"""Every benchmark, one after the other: `make bench`.

    python -m tests.benchmarks.bench [--quick] [--only NAME ...] [--render]

Each runs in a process of its own; one that fails is reported and does not hide the others, and the
exit code is 1 then (a figure that misses its target is no failure: it is shown). Writes
build/bench.json, where new figures of a benchmark replace its old ones, and bench-machine.json
beside it. `--render` runs nothing and puts both into RESULTS.md, where the sections of benchmarks
that were not run here stay as they are. The full run takes about 50
minutes on two quiet cores; `--quick` is for a look whether all works, its figures say little.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console

from tests.benchmarks.figures import Figure, parse_figures, read_figures, write_figures
from tests.benchmarks.machine import read_machines, this_machine, write_machine
from tests.benchmarks.render import as_table, render
from tests.benchmarks.workload import ONE_THREAD, ROOT, environment

BENCHMARKS = (
    "throughput",
    "overhead",
    "redo",
    "interruptions",
    "resume",
    "certification",
    "cascading",
)  # overhead needs throughput's rate
BENCHMARK_S = 3600.0


@dataclass(frozen=True, slots=True)
class Ended:
    """How one benchmark ended; figures, or what went wrong."""

    name: str
    figures: tuple[Figure, ...]
    problem: str | None


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; gives the exit code."""
    parser = argparse.ArgumentParser(description="Run the benchmarks.")
    parser.add_argument("--quick", action="store_true", help="small inputs")
    parser.add_argument("--only", choices=BENCHMARKS, nargs="+", default=BENCHMARKS)
    parser.add_argument("--render", action="store_true", help="only write RESULTS.md")
    options = parser.parse_args(arguments)
    if options.render:
        render(read_figures(), read_machines(), BENCHMARKS)
        return 0
    console = Console()
    started_s = time.monotonic()
    ended = [run(name, options.quick, console) for name in BENCHMARKS if name in options.only]
    console.print(as_table(read_figures()))
    console.print(f"build/bench.json, after {time.monotonic() - started_s:.0f} s")
    for one in ended:
        if one.problem is not None:
            console.print(f"{one.name} failed: {one.problem}", style="bold red", markup=False)
    return int(any(one.problem is not None for one in ended))


def run(name: str, is_quick: bool, console: Console) -> Ended:
    """One benchmark in a process of its own; its figures are kept at once."""
    console.rule(name)
    started_s = time.monotonic()
    ended = _run(name, is_quick)
    if ended.problem is None:
        kept = [one for one in read_figures() if not one.name.startswith(f"{name}:")]
        write_figures(_in_order([*kept, *ended.figures]))
        write_machine(name, this_machine(is_quick))
    outcome = "failed" if ended.problem else "done"
    console.print(f"{name}: {outcome} after {time.monotonic() - started_s:.0f} s")
    return ended


def _run(name: str, is_quick: bool) -> Ended:
    line = [sys.executable, "-m", f"tests.benchmarks.{name}", *(["--quick"] if is_quick else [])]
    try:
        ended = subprocess.run(
            line,
            cwd=ROOT,
            env=environment(ONE_THREAD),
            stdout=subprocess.PIPE,
            text=True,
            check=True,
            timeout=BENCHMARK_S,
        )
        return Ended(name, tuple(parse_figures(ended.stdout)), None)
    except (subprocess.SubprocessError, ValueError, TypeError) as error:
        return Ended(name, (), str(error))


def _in_order(figures: list[Figure]) -> list[Figure]:
    return sorted(figures, key=lambda one: BENCHMARKS.index(one.name.partition(":")[0]))


if __name__ == "__main__":
    sys.exit(main())
