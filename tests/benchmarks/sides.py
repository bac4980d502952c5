"""Runs one side of a comparison in a process of its own and reads what it left behind.

Boundary: a side is a command over a `Folder`; times come from its tap and from the files it wrote,
never from what it says about itself.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pyarrow.dataset as ds

from tests.benchmarks.gleaner_side import write_job
from tests.benchmarks.tap import answers, first_ready_unix_s, steady_per_s
from tests.benchmarks.workload import MAX_TOKENS, ROOT, Folder, Layout, environment

FLUSH_S = 5.0  # the default of a job
SIDE_S = 900.0  # no side takes longer unless it hangs


class SideFailedError(RuntimeError):
    """A side ended with an error; the message ends with what it printed."""


@dataclass(frozen=True, slots=True)
class Stock:
    """How stock ray.data.llm is set; no rows per block means the blocks of its reader."""

    name: str
    batch_size: int
    rows_per_block: int | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one side did; `answers` holds the text of every document that came to its end."""

    steady_per_s: float
    whole_per_s: float  # from when the engine was ready to its last answer
    first_result_s: float | None  # after the start of the process; none when nothing is committed
    first_result_after_ready_s: float | None  # after the engine was ready
    total_s: float
    answers: dict[str, str]


def command(module: str, *arguments: object) -> list[str]:
    """The command line of a side."""
    return [sys.executable, "-m", f"tests.benchmarks.{module}", *(str(one) for one in arguments)]


def run_raw(folder: Folder, layout: Layout, *, has_logprobs: bool) -> Outcome:
    """Raw vLLM, which commits nothing; several engines are as many processes with equal parts."""
    extra = ["--logprobs"] if has_logprobs else []
    parts = range(layout.engines)
    lines = [command("raw_side", folder.path, part, layout.engines, *extra) for part in parts]
    started_s = time.time()
    with ThreadPoolExecutor(layout.engines) as pool:
        list(pool.map(partial(_finish, layout=layout), lines))
    total_s = time.time() - started_s
    found: dict[str, str] = {}
    for part in parts:
        found |= json.loads(folder.raw(part).read_text())
    answered = answers(folder.tap)
    return Outcome(
        steady_per_s=steady_per_s(folder.tap),
        whole_per_s=len(answered) / (answered[-1].unix_s - first_ready_unix_s(folder.tap)),
        first_result_s=None,
        first_result_after_ready_s=None,
        total_s=total_s,
        answers=found,
    )


def run_stock(folder: Folder, layout: Layout, stock: Stock) -> Outcome:
    """Stock ray.data.llm on a private Ray."""
    blocks = stock.rows_per_block or 0
    started_s = time.time()
    line = command("stock_side", folder.path, stock.batch_size, blocks, layout.engines)
    _finish(line, layout)
    total_s = time.time() - started_s
    table = ds.dataset(folder.output, format="parquet").to_table().to_pydict()
    found = {
        name: text
        for name, text, tokens in zip(
            table["id"], table["answer"], table["output_tokens"], strict=True
        )
        if tokens < MAX_TOKENS
    }
    return _outcome(folder, folder.output, started_s, total_s, found)


def run_gleaner(folder: Folder, layout: Layout, *, has_confidence: bool) -> Outcome:
    """Gleaner on a private Ray."""
    write_job(folder, FLUSH_S, layout.engines, has_confidence=has_confidence)
    started_s = time.time()
    _finish(command("gleaner_side", folder.path), layout)
    total_s = time.time() - started_s
    results = folder.output / "results"
    table = ds.dataset(results, format="parquet").to_table(["id", "result"]).to_pydict()
    found = {
        name: text
        for name, text in zip(table["id"], table["result"], strict=True)
        if text is not None
    }
    return _outcome(folder, results, started_s, total_s, found)


def same_answers(sides: list[dict[str, str]], documents: int) -> float:
    """The share of documents of which every side has the same text, or none has one."""
    names = set().union(*sides)
    differing = sum(len({_stripped(side.get(name)) for side in sides}) > 1 for name in names)
    return 1.0 - differing / documents


def _stripped(text: str | None) -> str | None:
    return None if text is None else text.strip()


def _outcome(
    folder: Folder, results: Path, started_s: float, total_s: float, found: dict[str, str]
) -> Outcome:
    # A result's file is complete when it is written last, and keeps that time when it is renamed.
    first_unix_s = min(file.stat().st_mtime for file in results.rglob("*.parquet"))
    answered = answers(folder.tap)
    return Outcome(
        steady_per_s=steady_per_s(folder.tap),
        whole_per_s=len(answered) / (answered[-1].unix_s - first_ready_unix_s(folder.tap)),
        first_result_s=first_unix_s - started_s,
        first_result_after_ready_s=first_unix_s - first_ready_unix_s(folder.tap),
        total_s=total_s,
        answers=found,
    )


def _finish(line: list[str], layout: Layout) -> str:
    """The stdout of a command that ends well."""
    ended = subprocess.run(
        line,
        cwd=ROOT,
        env=environment(layout),
        capture_output=True,
        text=True,
        check=False,
        timeout=SIDE_S,
    )
    if ended.returncode != 0:
        raise SideFailedError(f"{' '.join(line[2:4])} failed:\n{ended.stderr[-3000:]}")
    return ended.stdout
