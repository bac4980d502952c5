"""What a certified cut costs and keeps, against other ways to choose it: recorded or made up.

    python -m tests.benchmarks.certification [--quick]

GLEANER_ROUTING names a folder with mmlu_two_chains.parquet: answers of model chains that were
recorded (chain, split, i, model, correct, confidence). Without it documents are made up. Needs
neither Ray nor an engine.

Of each pair a random 900 documents are labelled: promised is, with 90 %, an accuracy of at most 2
points below the strong model's. The loss is paired with gold, so a document that only the cheap
model answers right pays for one that only the strong one does. "Large job": one so large that the
sample is nothing of it, judged by the documents that were not labelled. "Five copies": a job of
each document five times, judged as a whole, where those labelled have the strong answer. There
`bargain` can be asked too (a package that only this benchmark imports; no figures of it where it is
not installed). It labels as many as it likes and knows no offset by helpful answers. Prints the
figures as JSON on the last line of stdout.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.certification.certify import Promise
from tests.benchmarks.cascades import (
    Cascade,
    Chosen,
    bargain,
    betting,
    clopper_pearson,
    made_up,
    naive,
    recorded,
)
from tests.benchmarks.figures import Figure, at_most, plain, print_figures

PROMISE = Promise(within=0.02, confidence=0.9)
LABELS = 900
RUNS, QUICK_RUNS = 200, 20
COPIES = 5
FILE = "mmlu_two_chains.parquet"
# Escalation of an earlier replay of the same records with plain bets, 900 labels and 20 cuts.
REPLAYED = {"8B to 70B": 0.68, "70B to 405B": 0.28, "4o-mini to 4o": 0.44}
SLACK = 1.1


@dataclass(frozen=True, slots=True)
class Replayed:
    """Means over all runs."""

    escalated: float
    violated: float
    labels: float
    run_s: float


Way = Callable[[Cascade, np.ndarray, Promise], Chosen]


def replay(cascade: Cascade, way: Way, runs: int) -> Replayed:
    """Random splits of one cascade, the same ones for every way."""
    escalated, violated, labels, began_s = 0.0, 0, 0, time.process_time()
    for run in range(runs):
        order = np.random.default_rng(run).permutation(len(cascade.scores))
        chosen = way(cascade, order, PROMISE)
        escalated += chosen.escalated(cascade)
        violated += chosen.loss(cascade) > PROMISE.within + 1e-12
        labels += len(chosen.labelled)
    spent_s = time.process_time() - began_s
    made = Replayed(escalated / runs, violated / runs, labels / runs, spent_s / runs)
    print(f"  {cascade.name}, {len(order)} documents: {made}", file=sys.stderr, flush=True)
    return made


def measure(cascades: list[Cascade], runs: int) -> list[Figure]:
    """Every way on every pair."""
    large: dict[str, Way] = {
        "certified, large job": betting(LABELS, is_large=True),
        "Clopper-Pearson on harm, large job": clopper_pearson(LABELS),
        "naive threshold, large job": naive(LABELS),
    }
    copied: dict[str, Way] = {"certified, five copies": betting(LABELS, is_large=False)}
    theirs = bargain()
    if theirs is None:
        print("  bargain is not installed: no figures of it", file=sys.stderr, flush=True)
    else:
        copied["bargain, five copies"] = theirs
    figures = []
    for one in cascades:
        for name, way in large.items():
            figures += _figures(one.name, name, replay(one, way, runs))
        for name, way in copied.items():
            found = replay(one.copied(COPIES), way, runs // COPIES)
            figures += _figures(one.name, name, found)
    return figures


def _figures(pair: str, way: str, found: Replayed) -> list[Figure]:
    def named(what: str) -> str:
        return f"certification: {what}, {pair}, {way}"

    earlier = REPLAYED.get(pair) if way == "certified, large job" else None
    is_ours = way.startswith("certified")
    share = found.escalated
    allowed = 1.0 - PROMISE.confidence
    return [
        plain(named("escalated"), share, "of documents")
        if earlier is None
        else at_most(named("escalated"), share, "of documents", round(SLACK * earlier, 3)),
        at_most(named("violated"), found.violated, "of runs", allowed)
        if is_ours
        else plain(named("violated"), found.violated, "of runs"),
        plain(named("labels"), found.labels, "documents"),
        plain(named("CPU time"), found.run_s, "s"),
    ]


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Measure what certified cuts cost and keep.")
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args(arguments)
    folder = os.environ.get("GLEANER_ROUTING")
    if folder is None:
        print("  GLEANER_ROUTING names no folder: documents are made up", file=sys.stderr)
        cascades = [made_up("easy", gap=0.03), made_up("hard", gap=0.12)]
    else:
        cascades = recorded(Path(folder) / FILE)
    print_figures(measure(cascades, QUICK_RUNS if options.quick else RUNS))


if __name__ == "__main__":
    main()
