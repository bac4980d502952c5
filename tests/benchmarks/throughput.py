"""Documents per second on one machine: raw vLLM, stock ray.data.llm and Gleaner.

    python -m tests.benchmarks.throughput [--quick] [--threads NAME] [--rounds N]

Same model, documents, sampling, engine limits and threads for every side. The threads are those
that raw vLLM is fastest with. `--rounds 2` lets the sides take turns twice and takes the faster
round of each, because whatever else runs on the machine can only slow a side down. Prints progress
on stderr and the figures as JSON on the last line of stdout.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from tests.benchmarks.figures import Figure, at_least, plain, print_figures
from tests.benchmarks.gleaner_side import write_job
from tests.benchmarks.sides import (
    Outcome,
    Stock,
    run_gleaner,
    run_raw,
    run_stock,
    same_answers,
)
from tests.benchmarks.workload import THREADS, Folder, Threads, write_workload

FLUSH_S = 5.0
RAW, RAW_LOGPROBS, GLEANER = "raw vLLM", "raw vLLM with logprobs", "Gleaner"
STOCKS = (
    # As ray.data.llm comes: the reader makes a handful of blocks, and a block is what is committed.
    Stock("stock ray.data.llm", batch_size=32, rows_per_block=None),
    # Larger batches, and blocks small enough to commit early.
    Stock("stock ray.data.llm, tuned", batch_size=64, rows_per_block=128),
)
PEERS = "stock ray.data.llm 2.60 (the faster of its two settings)"
RAW_PEER = "raw vllm.LLM.generate 0.32"


@dataclass(frozen=True, slots=True)
class Scale:
    """How much is run."""

    documents: int
    trial_documents: int  # for the choice of threads
    rounds: int


FULL = Scale(documents=2000, trial_documents=1000, rounds=1)
QUICK = Scale(documents=120, trial_documents=60, rounds=1)


def measure(scale: Scale, threads: Threads | None) -> list[Figure]:
    """Figures of all sides; `threads` none: chosen by a trial with raw vLLM."""
    with tempfile.TemporaryDirectory(prefix="gleaner-throughput-") as name:
        bench = _Bench(Path(name))
        figures: list[Figure] = []
        if threads is None:
            threads, figures = bench.choose_threads(scale.trial_documents)
        rounds = [bench.round(scale.documents, threads) for _ in range(scale.rounds)]
    best = {
        side: max((one[side] for one in rounds), key=lambda outcome: outcome.steady_per_s)
        for side in rounds[0]
    }
    return figures + _compared(best, scale.documents)


class _Bench:
    """Gives each run a folder of its own and says what it does."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._runs = 0

    def choose_threads(self, documents: int) -> tuple[Threads, list[Figure]]:
        """The setting that raw vLLM is fastest with, and what each one gave."""
        rates = {}
        for threads in THREADS:
            outcome = run_raw(self._folder(documents), threads, has_logprobs=False)
            rates[threads] = outcome.steady_per_s
            _say(f"threads {threads.name}: {outcome.steady_per_s:.1f} documents/s raw")
        figures = [
            plain(f"throughput: raw vLLM, threads {threads.name}", rate, "documents/s")
            for threads, rate in rates.items()
        ]
        return max(rates, key=lambda threads: rates[threads]), figures

    def round(self, documents: int, threads: Threads) -> dict[str, Outcome]:
        """Every side once, one after the other."""
        sides: dict[str, Callable[[Folder], Outcome]] = {
            RAW: partial(run_raw, threads=threads, has_logprobs=False),
            RAW_LOGPROBS: partial(run_raw, threads=threads, has_logprobs=True),
            GLEANER: partial(run_gleaner, threads=threads),
        }
        for stock in STOCKS:
            sides[stock.name] = partial(run_stock, threads=threads, stock=stock)
        outcomes = {}
        for name, run in sides.items():
            outcome = outcomes[name] = run(self._folder(documents))
            _say(
                f"{name}: {outcome.steady_per_s:.1f} documents/s, {outcome.total_s:.0f} s in all, "
                f"threads {threads.name}"
            )
        return outcomes

    def _folder(self, documents: int) -> Folder:
        self._runs += 1
        folder = write_workload(self._path / str(self._runs), documents)
        write_job(folder, FLUSH_S)
        return folder


def _compared(best: dict[str, Outcome], documents: int) -> list[Figure]:
    figures: list[Figure] = []
    for side, outcome in best.items():
        figures.append(
            plain(f"throughput: {side}, steady state", outcome.steady_per_s, "documents/s")
        )
        whole = outcome.whole_per_s
        figures.append(
            plain(f"throughput: {side}, from engine ready to the end", whole, "documents/s")
        )
        if outcome.first_result_s is not None and outcome.first_result_after_ready_s is not None:
            figures += [
                plain(
                    f"throughput: {side}, first committed result after process start",
                    outcome.first_result_s,
                    "s",
                ),
                plain(
                    f"throughput: {side}, first committed result after the engine was ready",
                    outcome.first_result_after_ready_s,
                    "s",
                ),
            ]
        figures.append(
            plain(f"throughput: {side}, {documents:,} documents in all", outcome.total_s, "s")
        )
    ours = best[GLEANER].steady_per_s
    stock = max(best[stock.name].steady_per_s for stock in STOCKS)
    return [
        *figures,
        at_least("throughput: Gleaner against stock", ours / stock, "x", 1.2, PEERS),
        at_least(
            "throughput: Gleaner against raw", ours / best[RAW].steady_per_s, "x", 0.9, RAW_PEER
        ),
        at_least(
            "throughput: documents with the same answer on every side",
            100 * same_answers([outcome.answers for outcome in best.values()], documents),
            "%",
            98.0,
        ),
    ]


def _say(text: str) -> None:
    print(f"  {text}", file=sys.stderr, flush=True)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Compare documents per second.")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--threads", choices=[threads.name for threads in THREADS])
    parser.add_argument("--rounds", type=int)
    options = parser.parse_args(arguments)
    scale = QUICK if options.quick else FULL
    scale = replace(scale, rounds=options.rounds or scale.rounds)
    given = next((threads for threads in THREADS if threads.name == options.threads), None)
    print_figures(measure(scale, given))


if __name__ == "__main__":
    main()
