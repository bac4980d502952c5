"""What a certified cascade keeps and saves with real engines: `small` before `large`.

    python -m tests.benchmarks.cascading [--quick]

Real vLLM, the bundled models, the demo's documents and schema. In one run both models answer every
document; over these answers the planner is replayed with many other samples, under several
promises. Then two runs of the same documents are compared: `large` alone, and a cascade with its
sample. At last a pair that does not pay, which has to be refused before more is generated. Takes
less than ten minutes on two quiet cores. Prints the figures as JSON on the last line of stdout.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from checkpoints import keys
from checkpoints.local_store import LocalStore
from jobs.demo.accuracy import read_results
from pipeline.certification.agreement import against_reference, loss_named
from pipeline.certification.certificate import read_certificate
from pipeline.certification.certify import Promise
from tests.benchmarks.figures import Figure, at_least, at_most, plain, print_figures
from tests.benchmarks.replays import Answered, answered, most_violated, replay, summary
from tests.benchmarks.tiered import (
    LOSS,
    TIERS,
    Answers,
    Documents,
    Ran,
    Route,
    labelled_by_all,
    run,
    write_documents,
)
from tests.benchmarks.workload import CORES

PROMISES = (Promise(0.02, 0.95), Promise(0.03, 0.95), Promise(0.05, 0.9))
FOLLOWED = PROMISES[-1]  # by the run of a real cascade
SMALL, LARGE = TIERS
TOO_DEAR = {SMALL: 10.0}  # of the price of `large`, per engine second
FEW_SEEDS = 20


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured."""

    documents: int
    sample: int
    seeds: int


FULL = Size(documents=2400, sample=600, seeds=200)
QUICK = Size(documents=400, sample=200, seeds=20)


def measure(path: Path, size: Size) -> list[Figure]:
    """All of it, below an empty folder."""
    documents = write_documents(path, size.documents)
    both = _run(documents, "both tiers", _route("auto", FOLLOWED, size.documents))
    job = answered(TIERS, labelled_by_all(both), LOSS)
    alone = _run(documents, "large alone", LARGE)
    cascade = _run(documents, "cascade", _route("cascade", FOLLOWED, size.sample))
    refused = _run(documents, "too dear", _route("cascade", FOLLOWED, size.sample), TOO_DEAR)
    return [
        *_of_answers(job, both, alone),
        *[figure for promise in PROMISES for figure in _of_replays(job, promise, size)],
        *_of_runs(documents, alone, cascade, size),
        *refused_figures(
            is_refused=refused.refusal is not None,
            generated=refused.generated,
            results=len(refused.answers()),
            sample=size.sample,
        ),
    ]


def _of_answers(job: Answered, both: Ran, alone: Ran) -> list[Figure]:
    """What there is to gain: how often the models differ, and what an answer of each costs."""
    table, again = job.table, mean_loss(both.answers(), alone.answers())
    costs = table.costs.mean(axis=0)
    return [
        _plain("documents", len(job), "documents"),
        _plain("answers of small other than large's", 100 * float(table.losses[:, 0].mean()), "%"),
        _plain("answers of large other than its own in a second run", 100 * again, "%"),
        _plain("small's cost over large's, by the rows", float(costs[0] / costs[1]), "x"),
        _plain(
            "small's cost over large's, by CPU time of the engines",
            both.cpu_s[SMALL] / both.cpu_s[LARGE],
            "x",
        ),
    ]


def _of_replays(job: Answered, promise: Promise, size: Size) -> list[Figure]:
    with ProcessPoolExecutor(CORES, get_context("spawn")) as pool:
        once = partial(replay, job, promise, size.sample)
        replays = list(pool.map(once, range(size.seeds), chunksize=-(-size.seeds // CORES)))
    every = summary(replays, promise)
    _say(f"{words_of(promise)}: {every}")
    counts = sorted({min(FEW_SEEDS, size.seeds), size.seeds})
    violated = [
        _at_most(
            f"{words_of(promise)}: broken, {count} samples",
            summary(replays[:count], promise).violated,
            "of runs",
            most_violated(promise, count),
        )
        for count in counts
    ]
    named = f"{words_of(promise)}, mean of {size.seeds} samples"
    return [
        *violated,
        _plain(f"{named}: loss", 100 * every.loss, "%"),
        _plain(f"{named}: a cascade is certified", every.cascades, "of runs"),
        _plain(f"{named}: refused", every.refused, "of runs"),
        _plain(f"{named}: escalated by cascades", every.escalated, "of documents"),
        _plain(f"{named}: engine seconds saved", 100 * every.saved, "%"),
    ]


def _of_runs(documents: Documents, alone: Ran, cascade: Ran, size: Size) -> list[Figure]:
    """Large alone against the cascade, both measured."""
    refused = _at_most("a cascade was refused", int(cascade.refusal is not None), "runs", 0)
    if cascade.refusal is not None:
        return [refused]
    lost = mean_loss(cascade.answers(), alone.answers())
    answered_by_large = sum(row.tier == LARGE for _, row in cascade.rows())
    outside = size.documents - size.sample
    escalated = (answered_by_large - size.sample) / outside
    return [
        refused,
        *_of_run("large alone", documents, alone),
        *_of_run("cascade", documents, cascade),
        _plain("cascade: escalated outside its sample", escalated, "of documents"),
        _plain("cascade: saving that the planner expected, sample apart", _expected(cascade), "%"),
        _at_most(
            f"cascade, {words_of(FOLLOWED)}: loss against large alone",
            100 * lost,
            "%",
            100 * FOLLOWED.within,
        ),
        *saving_figures(
            {
                "engine seconds by the rows": (_by_rows_s(cascade), _by_rows_s(alone)),
                "CPU seconds of the engines": (_cpu_s(cascade), _cpu_s(alone)),
                "replica-seconds metered": (cascade.metered_s, alone.metered_s),
                "wall": (cascade.wall_s, alone.wall_s),
            }
        ),
    ]


def _of_run(name: str, documents: Documents, ran: Ran) -> list[Figure]:
    return [
        _plain(f"{name}: engine seconds by the rows", _by_rows_s(ran), "s"),
        _plain(f"{name}: CPU seconds of the engines", _cpu_s(ran), "s"),
        _plain(f"{name}: replica-seconds metered", ran.metered_s, "s"),
        _plain(f"{name}: wall", ran.wall_s, "s"),
        _plain(f"{name}: documents right", 100 * _right(documents, ran), "%"),
    ]


def saving_figures(spent: Mapping[str, tuple[float, float]]) -> list[Figure]:
    """Of each kind of seconds, the share that the cascade saves of those of large alone.

    What the planner goes by has to be saved; the others say what that is worth here.
    """
    first, *others = (
        (f"saved by the cascade, {kind}", 100 * (1 - cascade_s / alone_s), "%")
        for kind, (cascade_s, alone_s) in spent.items()
    )
    return [_at_least(*first, 0), *(_plain(*one) for one in others)]


def refused_figures(*, is_refused: bool, generated: int, results: int, sample: int) -> list[Figure]:
    """Of a pair that does not pay, nothing but the sample may be generated, and nothing kept."""
    beyond = max(0, generated - len(TIERS) * sample)
    return [
        _at_most("too dear: not refused", int(not is_refused), "runs", 0),
        _at_most("too dear: answers generated beyond the sample", beyond, "answers", 0),
        _at_most("too dear: documents with a result", results, "documents", 0),
    ]


def mean_loss(answers: Answers, references: Answers) -> float:
    """Of the same documents; where a document has no reference nothing is lost."""
    loss = against_reference(loss_named(LOSS))
    lost = [loss(answers[place], reference) for place, reference in references.items()]
    return sum(lost) / len(lost)


def words_of(promise: Promise) -> str:
    """As a figure's name has it."""
    return f"within {promise.within:g} at {promise.confidence:g}"


def _right(documents: Documents, ran: Ran) -> float:
    """The share of documents whose whole answer is the known one."""
    found = read_results(ran.folder.output / keys.RESULTS, documents.folder)
    golds = [json.loads(line) for line in documents.gold.read_text().splitlines()]
    right = [found[one["source"], one["row"] or 0][0] == one["answer"] for one in golds]
    return float(np.mean(right))


def _expected(cascade: Ran) -> float:
    data = LocalStore(cascade.folder.output).read(keys.CERTIFICATE)
    return 100 * read_certificate(data, name=keys.CERTIFICATE).decision.saving.share


def _by_rows_s(ran: Ran) -> float:
    return sum(row.cost_usd for _, row in ran.rows())


def _cpu_s(ran: Ran) -> float:
    return sum(ran.cpu_s.values())


def _route(policy: str, promise: Promise, sample: int) -> Route:
    return {
        "policy": policy,
        "quality": {"within": promise.within, "confidence": promise.confidence},
        "loss": LOSS,
        "sample": {"documents": sample},
    }


def _run(
    documents: Documents, name: str, route: Route, prices: Mapping[str, float] | None = None
) -> Ran:
    ran = run(documents, name.replace(" ", "-"), route, prices)
    standing = ran.final.route
    why = ran.refusal or (standing.why if standing is not None else None) or "one tier"
    cpu = ", ".join(f"{tier} {spent_s:.1f}" for tier, spent_s in ran.cpu_s.items())
    _say(f"{name}: wall {ran.wall_s:.0f} s, CPU s: {cpu}; {why}")
    return ran


def _say(line: str) -> None:
    print(f"  {line}", file=sys.stderr, flush=True)


def _plain(name: str, value: float, unit: str) -> Figure:
    return plain(f"cascading: {name}", value, unit)


def _at_most(name: str, value: float, unit: str, bound: float) -> Figure:
    return at_most(f"cascading: {name}", value, unit, bound)


def _at_least(name: str, value: float, unit: str, bound: float) -> Figure:
    return at_least(f"cascading: {name}", value, unit, bound)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Measure what cascades keep and save.")
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="gleaner-cascading-") as name:
        print_figures(measure(Path(name), QUICK if options.quick else FULL))


if __name__ == "__main__":
    main()
