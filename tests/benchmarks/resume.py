"""How long a run of a million finished shards needs to be ready to continue, and in what memory.

    python -m tests.benchmarks.resume [--quick]

Makes the plan, the result keys and the receipts of a run in a temporary folder on the local store,
then measures, in a process of its own, what a driver does before it continues: read the plan's
header, list the results, add up the receipts. Prints the figures as JSON on the last line of
stdout.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from checkpoints import keys
from checkpoints.local_store import LocalStore
from checkpoints.plan import Slice, read_header, write_plan
from checkpoints.receipts import ReceiptLog, load_totals
from checkpoints.result import Receipt
from checkpoints.resume import list_results
from tests.benchmarks.figures import Figure, at_most, print_figures

SHARDS, QUICK_SHARDS = 1_000_000, 20_000
DOCUMENTS_PER_SHARD = 1_000
RECEIPTS_PER_OBJECT = 1_000


def measure(shards: int = SHARDS) -> list[Figure]:
    """Seconds and resident memory of a driver that takes up a run with all shards but one done."""
    with tempfile.TemporaryDirectory(prefix="gleaner-resume-") as name:
        folder = Path(name)
        write_run(folder, shards)
        out = subprocess.run(
            [sys.executable, "-m", "tests.benchmarks.resume", "--measure", name],
            check=True,
            capture_output=True,
            text=True,
        ).stdout
    seconds, grown_mb, documents = json.loads(out.strip().splitlines()[-1])
    if documents != (shards - 1) * DOCUMENTS_PER_SHARD:
        raise AssertionError(f"{documents} documents counted")
    return [
        at_most(f"resume: {shards:,} finished shards, local store", seconds, "s", 20.0),
        at_most(f"resume: driver memory for it, {shards:,} shards", grown_mb, "MB", 300.0),
    ]


def write_run(folder: Path, shards: int) -> None:
    """A run in which every shard but the last is done; result objects are empty files."""
    checkpoint = LocalStore(folder / "checkpoint")
    write_plan(checkpoint, planned(shards))
    results = folder / "output" / keys.RESULTS
    results.mkdir(parents=True)
    for shard in range(shards - 1):
        (folder / "output" / keys.result_key(shard)).touch()
    log = ReceiptLog(checkpoint, token=1)
    for first in range(0, shards - 1, RECEIPTS_PER_OBJECT):
        last = min(first + RECEIPTS_PER_OBJECT, shards - 1)
        log.append([receipt(shard) for shard in range(first, last)])


def planned(shards: int) -> Iterator[list[Slice]]:
    """Slices of one large jsonl file each."""
    for shard in range(shards):
        yield [
            Slice(
                source=f"s3://bucket/contracts/part-{shard // 100:06d}.jsonl",
                format="jsonl",
                start=(shard % 100) * 4_000_000,
                stop=(shard % 100 + 1) * 4_000_000,
                first_row=(shard % 100) * DOCUMENTS_PER_SHARD,
                documents=DOCUMENTS_PER_SHARD,
                size_bytes=4_000_000,
                version="etag",
                estimated_tokens=1_000_000,
            )
        ]


def receipt(shard: int) -> Receipt:
    """What a shard without errors reports."""
    return Receipt(
        shard=shard,
        documents=DOCUMENTS_PER_SHARD,
        ok=DOCUMENTS_PER_SHARD,
        error=0,
        error_codes={},
        prompt_tokens=1_000_000,
        output_tokens=100_000,
        generated=DOCUMENTS_PER_SHARD,
        restored=0,
        cost_usd=0.1,
        committed_unix_s=0.0,
    )


def take_up(folder: Path) -> tuple[float, float, int]:
    """(seconds, peak resident memory of the process in MB, documents counted)."""
    started_s = time.perf_counter()
    output, checkpoint = LocalStore(folder / "output"), LocalStore(folder / "checkpoint")
    header = read_header(checkpoint)
    assert header is not None
    listing = list_results(output, header)
    totals = load_totals(checkpoint, output, header, listing.done)
    assert len(listing.pending()) == 1
    seconds = time.perf_counter() - started_s
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return seconds, peak_mb, totals.documents


def main(arguments: list[str]) -> None:
    if arguments[:1] == ["--measure"]:
        print(json.dumps(take_up(Path(arguments[1]))))
    else:
        print_figures(measure(QUICK_SHARDS if arguments == ["--quick"] else SHARDS))


if __name__ == "__main__":
    main(sys.argv[1:])
