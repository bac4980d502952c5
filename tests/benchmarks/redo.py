"""Documents generated twice after SIGKILL of the driver at mid-run, Gleaner against stock.

    python -m tests.benchmarks.redo [--quick]

Real vLLM, the same documents and taps as `throughput`, a local Ray that stays up. The driver is
killed once half of the documents are answered, and the same command is started again. Counted are
documents that were answered before the kill and again after it (finished work that was lost), and
all answers that are not a document's first: Gleaner's engines live on and finish what they hold,
stock's die with the driver. In the end every document must have exactly one row. Prints the figures
as JSON on the last line of stdout.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyarrow.dataset as ds

from infra.local_cluster import LocalCluster
from tests.benchmarks.figures import Figure, at_most, plain, print_figures
from tests.benchmarks.gleaner_side import write_job
from tests.benchmarks.sides import Stock, command
from tests.benchmarks.tap import answers, lost, repeated
from tests.benchmarks.workload import (
    ONE_THREAD,
    RAY_CPUS,
    ROOT,
    Folder,
    environment,
    write_workload,
)

DOCUMENTS, QUICK_DOCUMENTS = 1500, 600
FLUSH_S = 5.0  # the default of a job
WAIT_S = 600.0
# The blocks of the reader (a handful), and smaller ones, of which more are committed at the kill.
STOCKS = (
    Stock("stock ray.data.llm", batch_size=32, rows_per_block=None),
    Stock("stock ray.data.llm, blocks of 128", batch_size=64, rows_per_block=128),
)


@dataclass(frozen=True, slots=True)
class Redone:
    """What one side did twice."""

    lost: int  # documents answered before the kill and again after it
    documents: int  # answers beyond the first of each document
    killed_at: int  # documents answered when the driver was killed
    committed: int  # of these, those with a committed row at that moment


def measure(count: int) -> list[Figure]:
    """Documents that each side generated twice."""
    with tempfile.TemporaryDirectory(prefix="gleaner-redo-") as name:
        path = Path(name)
        ours = _kill_and_resume(path / "gleaner", count, "results", "gleaner_side")
        stocks = {
            stock: _kill_and_resume(
                path / f"stock-{number}",
                count,
                "",
                "stock_side",
                [str(stock.batch_size), str(stock.rows_per_block or 0), "1"],
            )
            for number, stock in enumerate(STOCKS)
        }
    least = min(redone.lost for redone in stocks.values())
    figures = [
        at_most(
            f"redo: Gleaner, answered before the kill ({ours.killed_at:,}) and again",
            ours.lost,
            "documents",
            least,
            "the better stock setting",
        ),
        plain("redo: Gleaner, all answered twice", ours.documents, "documents"),
    ]
    for stock, redone in stocks.items():
        named = f"redo: {stock.name}, answered before the kill ({redone.killed_at:,}) and again"
        figures += [
            plain(named, redone.lost, "documents"),
            plain(f"redo: {stock.name}, all answered twice", redone.documents, "documents"),
        ]
    return figures


def _kill_and_resume(
    path: Path, count: int, results: str, module: str, settings: Sequence[str] = ()
) -> Redone:
    """Run `module` twice, killed in between; its rows lie in `results` below its output."""
    folder = write_workload(path, count)
    write_job(folder, FLUSH_S)
    with _cluster() as (address, surroundings):
        line = command(module, path, *settings, address)
        driver = _start(line, surroundings, path / "first.log")
        try:
            _wait_for_half(folder, count, driver, path / "first.log")
        finally:
            driver.send_signal(signal.SIGKILL)
            driver.wait()
            killed_unix_s = time.time()
        killed_at = len({one.document for one in answers(folder.tap)})
        committed = len(_ids(folder.output / results))
        again = _start(line, surroundings, path / "second.log")
        if again.wait(WAIT_S) != 0:
            raise RuntimeError(f"the resume failed:\n{(path / 'second.log').read_text()[-3000:]}")
    ids = _ids(folder.output / results)
    if len(ids) != count or len(set(ids)) != count:
        raise RuntimeError(f"{count} documents, {len(ids)} rows, {len(set(ids))} different ids")
    answered = answers(folder.tap)
    redone = Redone(lost(answered, killed_unix_s), repeated(answered), killed_at, committed)
    print(f"  {path.name}: {redone}", file=sys.stderr, flush=True)
    return redone


@contextmanager
def _cluster() -> Iterator[tuple[str, dict[str, str]]]:
    """A local Ray with the GPU that stock's stage asks for, and a driver's environment."""
    before = dict(os.environ)
    # Ray's workers have the environment that their node was started with.
    # One thread: the engines of two attempts may overlap for a moment.
    os.environ.update(environment(ONE_THREAD) | {"RAY_OVERRIDE_RESOURCES": json.dumps({"GPU": 1})})
    try:
        with LocalCluster(head_cpus=RAY_CPUS) as cluster:
            yield cluster.address, os.environ | cluster.environment
    finally:
        os.environ.clear()
        os.environ.update(before)


def _start(line: list[str], surroundings: dict[str, str], log: Path) -> subprocess.Popen[bytes]:
    with log.open("wb") as out:
        return subprocess.Popen(line, cwd=ROOT, env=surroundings, stdout=out, stderr=out)


def _wait_for_half(folder: Folder, count: int, driver: subprocess.Popen[bytes], log: Path) -> None:
    deadline_s = time.monotonic() + WAIT_S
    while len(answers(folder.tap)) < count // 2:
        if driver.poll() is not None or time.monotonic() > deadline_s:
            raise RuntimeError(f"half was never answered:\n{log.read_text()[-3000:]}")
        time.sleep(0.2)


def _ids(results: Path) -> list[str]:
    if not any(results.rglob("*.parquet")):
        return []
    return list(ds.dataset(results, format="parquet").to_table(["id"]).to_pydict()["id"])


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Count documents generated twice.")
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args(arguments)
    print_figures(measure(QUICK_DOCUMENTS if options.quick else DOCUMENTS))


if __name__ == "__main__":
    main()
