"""Documents per second on one machine: raw vLLM, stock ray.data.llm and Gleaner.

    python -m tests.benchmarks.throughput [--quick] [--layout NAME]

Same model, documents, sampling and engine limits for every side, and for each the layout of engines
and threads that it is fastest with of those in `workload.LAYOUTS`. Prints progress on stderr and
the figures as JSON on the last line of stdout.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from tests.benchmarks.figures import Figure, at_least, plain, print_figures
from tests.benchmarks.sides import (
    Outcome,
    Stock,
    run_gleaner,
    run_raw,
    run_stock,
    same_answers,
)
from tests.benchmarks.workload import LAYOUTS, Folder, Layout, write_workload

RAW, RAW_LOGPROBS = "raw vLLM", "raw vLLM with logprobs"
RAW_SEVERAL = "raw vLLM in several processes"
GLEANER, GLEANER_CONFIDENCE = "Gleaner without confidence", "Gleaner with confidence"
STOCKS = (
    # As ray.data.llm comes: the reader makes a handful of blocks, and a block is what is committed.
    Stock("stock ray.data.llm", batch_size=32, rows_per_block=None),
    # Larger batches, and blocks small enough to commit early.
    Stock("stock ray.data.llm, tuned", batch_size=64, rows_per_block=128),
)
PEERS = "stock ray.data.llm 2.60 (the faster of its two settings)"
RAW_PEER = "raw vllm.LLM.generate 0.32, one process"
RAWS_PEER = "raw vllm.LLM.generate 0.32, a process per core, the input split by hand"


DOCUMENTS, QUICK_DOCUMENTS = 2000, 120


def measure(documents: int, layouts: Sequence[Layout]) -> list[Figure]:
    """Figures of all sides, each with the best of `layouts`; raw also with several engines."""
    with tempfile.TemporaryDirectory(prefix="gleaner-throughput-") as name:
        bench = _Bench(Path(name), documents)
        raw = partial(run_raw, has_logprobs=False)
        # `LLM.generate` is one engine; with several, a user splits the input and runs as many.
        single = [one for one in layouts if one.engines == 1]
        several = [one for one in layouts if one.engines > 1]
        best = {}
        if single:
            best[RAW], layout = bench.best(RAW, raw, single)
            with_logprobs = partial(run_raw, has_logprobs=True)
            best[RAW_LOGPROBS], _ = bench.best(RAW_LOGPROBS, with_logprobs, [layout])
        if several:
            best[RAW_SEVERAL], _ = bench.best(RAW_SEVERAL, raw, several)
        ours = partial(run_gleaner, has_confidence=False)
        best[GLEANER], layout = bench.best(GLEANER, ours, layouts)
        ours = partial(run_gleaner, has_confidence=True)
        best[GLEANER_CONFIDENCE], _ = bench.best(GLEANER_CONFIDENCE, ours, [layout])
        for stock in STOCKS:
            run = partial(run_stock, stock=stock)
            best[stock.name], found = bench.best(stock.name, run, layouts)
            layouts = [found]  # what is best for one stock is best for the other
        return bench.figures + _compared(best, documents)


class _Bench:
    """Gives each run a folder of its own, and says and keeps what it gave."""

    def __init__(self, path: Path, documents: int) -> None:
        self._path = path
        self._documents = documents
        self._runs = 0
        self.figures: list[Figure] = []

    def best(
        self, side: str, run: Callable[..., Outcome], layouts: Sequence[Layout]
    ) -> tuple[Outcome, Layout]:
        """The fastest outcome of a side, and the layout it had."""
        outcomes = {}
        for one in layouts:
            outcome = outcomes[one] = run(self._folder(), layout=one)
            said = f"{side}, {one.name}"
            rate = outcome.steady_per_s
            print(
                f"  {said}: {rate:.1f} documents/s, {outcome.total_s:.0f} s in all",
                file=sys.stderr,
                flush=True,
            )
            self.figures.append(plain(f"throughput: {said}", rate, "documents/s"))
        fastest = max(layouts, key=lambda one: outcomes[one].steady_per_s)
        return outcomes[fastest], fastest

    def _folder(self) -> Folder:
        self._runs += 1
        return write_workload(self._path / str(self._runs), self._documents)


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
    sure = best[GLEANER_CONFIDENCE].steady_per_s
    compared = [
        at_least("throughput: Gleaner against stock", ours / stock, "x", 1.2, PEERS),
        plain("throughput: Gleaner with confidence against stock", sure / stock, "x", PEERS),
    ]
    if RAW in best:
        raw, logprobs = best[RAW].steady_per_s, best[RAW_LOGPROBS].steady_per_s
        named = "throughput: Gleaner with confidence against raw with log probabilities"
        compared += [
            at_least("throughput: Gleaner against raw", ours / raw, "x", 0.9, RAW_PEER),
            plain(named, sure / logprobs, "x", RAW_PEER),
        ]
    if RAW_SEVERAL in best:
        several = best[RAW_SEVERAL].steady_per_s
        named = "throughput: Gleaner against raw in several processes"
        compared.append(plain(named, ours / several, "x", RAWS_PEER))
    same = 100 * same_answers([outcome.answers for outcome in best.values()], documents)
    named = "throughput: documents with the same answer on every side"
    return [*figures, *compared, at_least(named, same, "%", 98.0)]


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Compare documents per second.")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--layout", choices=[layout.name for layout in LAYOUTS])
    options = parser.parse_args(arguments)
    layouts = [one for one in LAYOUTS if options.layout in (None, one.name)]
    print_figures(measure(QUICK_DOCUMENTS if options.quick else DOCUMENTS, layouts))


if __name__ == "__main__":
    main()
