"""What durability costs: journal, encode, commit and sweep of 1,000 documents.

    python -m tests.benchmarks.overhead [--quick] [--documents-per-s RATE]

On the local store and on an S3 server (ministack, over HTTP, on this machine), with the calls of a
coordinator, one shard after the other, as a share of the time that the engine needs for 1,000
documents at RATE: throughput's steady state of the last `bench`, unless given. In a run these
seconds pass in threads beside the engine; so their CPU seconds are shown too. Two shapes of job: as
small as throughput's (shards of 50 documents, each journaled once), and large (shards of 1,000,
journaled every 5 s while four of them are open). Prints the figures as JSON on the last line of
stdout.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from checkpoints.commit import Outcome, commit_result
from checkpoints.journal import Finished, Journal, new_writer_id, sweep
from checkpoints.local_store import LocalStore
from checkpoints.result import Confidence, Receipt, ResultRow
from checkpoints.result_file import encode_shard, new_write_id
from checkpoints.store import Store
from infra.s3 import S3Store
from tests.benchmarks.figures import Figure, at_most, plain, print_figures, read_figures
from tests.infra.s3_servers import CREDENTIALS, make_bucket, ministack_server

DOCUMENTS, QUICK_DOCUMENTS = 20_000, 2_000
FLUSH_S, OPEN_SHARDS = 5.0, 4  # the defaults of a job
STEADY = "throughput: Gleaner with confidence, steady state"
STEPS = ("journal", "encode", "commit", "sweep")


@dataclass(frozen=True, slots=True)
class Shape:
    """How a job is cut, and how many documents of a shard one journal object holds."""

    name: str
    shard_documents: int
    journal_documents: int


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds for 1,000 documents."""

    wall_s: dict[str, float]  # by step
    cpu_s: float  # of this process, all steps


def shapes(documents_per_s: float) -> tuple[Shape, Shape]:
    """A small and a large job; the large one's flushes come by the clock."""
    per_flush = int(documents_per_s * FLUSH_S / OPEN_SHARDS)
    return (
        Shape("shards of 50", shard_documents=50, journal_documents=50),
        Shape("shards of 1,000", shard_documents=1000, journal_documents=max(1, per_flush)),
    )


def measure(documents: int, documents_per_s: float) -> list[Figure]:
    """Seconds per 1,000 documents on both stores, and their share of the engine's time."""
    figures = [
        plain("overhead: the engine's time for 1,000 documents", 1000 / documents_per_s, "s")
    ]
    with tempfile.TemporaryDirectory(prefix="gleaner-overhead-") as name:
        folder = Path(name)
        os.environ.update(CREDENTIALS)
        (folder / "s3").mkdir()
        with ministack_server(folder / "s3") as endpoint:
            os.environ["AWS_ENDPOINT_URL"] = endpoint
            make_bucket(endpoint, "bench")
            for shape in shapes(documents_per_s):
                prefix = str(shape.shard_documents)
                local = LocalStore(folder / prefix)
                cost = _walk(local, local, documents, shape)
                figures += _figures(f"local store, {shape.name}", cost, documents_per_s)
                output = S3Store("bench", f"{prefix}/output")
                checkpoint = S3Store("bench", f"{prefix}/checkpoint")
                cost = _walk(output, checkpoint, documents, shape)
                figures += _figures(f"S3 (ministack), {shape.name}", cost, documents_per_s)
    return figures


def _figures(where: str, cost: Cost, documents_per_s: float) -> list[Figure]:
    engine_share = documents_per_s / 1000 * 100  # percent per second of 1,000 documents
    steps = [
        plain(f"overhead: {step} of 1,000 documents, {where}", cost.wall_s[step], "s")
        for step in STEPS
    ]
    wall_share = sum(cost.wall_s.values()) * engine_share
    cpu_share = cost.cpu_s * engine_share
    return [
        *steps,
        at_most(f"overhead: share of the engine's time, {where}", wall_share, "%", 2.0),
        plain(f"overhead: CPU seconds as such a share, {where}", cpu_share, "%"),
    ]


def _walk(output: Store, checkpoint: Store, documents: int, shape: Shape) -> Cost:
    shards = documents // shape.shard_documents
    # Imports and connections, not counted.
    _finish(output, checkpoint, shards, _rows(shards, shape.shard_documents), shape)
    wall_s = dict.fromkeys(STEPS, 0.0)
    cpu_s = 0.0
    for shard in range(shards):
        rows = _rows(shard, shape.shard_documents)
        began_cpu_s = time.process_time()
        seconds = _finish(output, checkpoint, shard, rows, shape)
        cpu_s += time.process_time() - began_cpu_s
        for step in STEPS:
            wall_s[step] += seconds[step]
    thousands = shards * shape.shard_documents / 1000
    return Cost({step: spent_s / thousands for step, spent_s in wall_s.items()}, cpu_s / thousands)


def _finish(
    output: Store, checkpoint: Store, shard: int, rows: Sequence[ResultRow], shape: Shape
) -> dict[str, float]:
    marks_s = [time.perf_counter()]
    journal = Journal(checkpoint, shard, new_writer_id())
    for first in range(0, len(rows), shape.journal_documents):
        journal.append([Finished(row) for row in rows[first : first + shape.journal_documents]])
    marks_s.append(time.perf_counter())
    data = encode_shard(
        shard,
        rows,
        fingerprint=rows[0].fingerprint,
        write_id=new_write_id(),
        receipt=_receipt(shard, rows),
    )
    marks_s.append(time.perf_counter())
    if commit_result(output, shard, data) is not Outcome.OURS:
        raise AssertionError(f"shard {shard} was there before")
    marks_s.append(time.perf_counter())
    sweep(checkpoint, shard)
    marks_s.append(time.perf_counter())
    seconds = [after - before for before, after in pairwise(marks_s)]
    return dict(zip(STEPS, seconds, strict=True))


def _rows(shard: int, documents: int) -> list[ResultRow]:
    """Rows of the size and kind that the demo job writes."""
    chooser = random.Random(shard)
    return [
        ResultRow(
            ordinal=ordinal,
            id=f"row-{shard:07d}-{ordinal:03d}",
            status="ok",
            result='{"kind": "invoice", "number": "'
            + uuid.UUID(int=chooser.getrandbits(128)).hex
            + '", "date": "2018-01-20", "sender": "Klounkoa BV", "total": "1,234.50"}',
            error_code=None,
            error=None,
            tier="large",
            finish_reason="stop",
            prompt_tokens=150,
            output_tokens=60,
            confidence=Confidence(-0.1, -0.5, -0.4, chooser.random(), 60),
            engine_s=chooser.random(),
            cost_usd=chooser.random() / 1e4,
            fingerprint="f" * 64,
            source="documents/rows.jsonl",
            source_row=ordinal,
        )
        for ordinal in range(documents)
    ]


def _receipt(shard: int, rows: Sequence[ResultRow]) -> Receipt:
    return Receipt(
        shard=shard,
        documents=len(rows),
        ok=len(rows),
        error=0,
        error_codes={},
        prompt_tokens=sum(row.prompt_tokens for row in rows),
        output_tokens=sum(row.output_tokens for row in rows),
        generated=len(rows),
        restored=0,
        cost_usd=sum(row.cost_usd for row in rows),
        committed_unix_s=time.time(),
    )


def steady_rate(figures: Sequence[Figure]) -> float:
    """Gleaner's steady state among `figures`; SystemExit says how to get one."""
    for figure in figures:
        if figure.name == STEADY:
            return figure.value
    raise SystemExit("no steady state known: run the throughput benchmark, or give a rate")


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Measure what commits cost.")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--documents-per-s", type=float)
    options = parser.parse_args(arguments)
    rate = options.documents_per_s or steady_rate(read_figures())
    print(f"  against {rate:.1f} documents/s", file=sys.stderr, flush=True)
    print_figures(measure(QUICK_DOCUMENTS if options.quick else DOCUMENTS, rate))


if __name__ == "__main__":
    main()
