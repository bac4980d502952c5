"""One run of the demo's job with both bundled models as tiers, and what it left behind.

Boundary: Gleaner's side of the other comparisons, with real vLLM engines of one thread each; what
it did is read from its tap, its rows and its saved status. Several runs share their documents.
A tier's price is such that a USD is a second of an engine.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from checkpoints import keys
from checkpoints.local_store import LocalStore
from checkpoints.plan import read_header
from checkpoints.result import ResultRow
from checkpoints.result_file import decode_rows
from jobs.demo.documents import Order, write_folder
from jobs.demo.prompt import SYSTEM
from jobs.spec.file import load_spec
from jobs.wiring import build_job
from pipeline.certification.sample import Labelled
from pipeline.preparing.read_shards import ShardPreparer
from pipeline.progress import Snapshot, State
from pipeline.routing.sampling import SampledDocument
from pipeline.routing.settle import labelled
from pipeline.status import read_status
from tests.benchmarks.engine_cpu import EngineCpu
from tests.benchmarks.sides import SIDE_S, SideFailedError, command
from tests.benchmarks.tap import answers, first_ready_unix_s
from tests.benchmarks.workload import ENGINE, ONE_THREAD, ROOT, SEED, Folder, environment

DEMO = ROOT / "jobs/demo"
TIERS = ("small", "large")
LOSS = "document"
USD_PER_HOUR = 3600.0
NUM_CPUS = 0.5  # Ray's count: two engines beside reading and coordination on two cores
MAX_TOKENS = 128  # as in the demo
REFUSED = "RouteRefusedError: "
POLL_S = 0.5

Route = str | dict[str, object]
Answers = Mapping[tuple[str, int], str | None]
"""The text of each document, by source and row; None without a usable answer."""


@dataclass(frozen=True, slots=True)
class Documents:
    """What all runs of a benchmark read."""

    path: Path
    count: int

    @property
    def folder(self) -> Path:
        return self.path / "documents"

    @property
    def gold(self) -> Path:
        return self.path / "gold.jsonl"


@dataclass(frozen=True, slots=True)
class Ran:
    """A run that completed, or was refused its route: then `refusal` says why."""

    folder: Folder
    final: Snapshot
    refusal: str | None
    cpu_s: Mapping[str, float]  # by tier: of engines since they were ready

    @property
    def wall_s(self) -> float:
        """From when the first engine was ready to the last answer."""
        return answers(self.folder.tap)[-1].unix_s - first_ready_unix_s(self.folder.tap)

    @property
    def metered_s(self) -> float:
        """Replica-seconds, starts among them."""
        return self.final.cost_usd

    @property
    def generated(self) -> int:
        """Answers that engines gave, of any tier."""
        return len(answers(self.folder.tap))

    def rows(self) -> Iterator[tuple[int, ResultRow]]:
        """Every committed row with its shard."""
        output = LocalStore(self.folder.output)
        for info in output.list(keys.RESULTS):
            shard = keys.parse_result_key(info.key)
            assert shard is not None
            yield from ((shard, row) for row in decode_rows(output.read(info.key)))

    def answers(self) -> Answers:
        """What the run came to."""
        return {(row.source, row.source_row): row.result for _, row in self.rows()}


def write_documents(path: Path, count: int) -> Documents:
    """So many of the demo's documents, in all its formats, none of them bad."""
    write_folder(Order(count, SEED), path)
    return Documents(path, count)


def run(
    documents: Documents, name: str, route: Route, prices: Mapping[str, float] | None = None
) -> Ran:
    """The job over these documents with this route; `prices` are times `USD_PER_HOUR`.

    Raises:
        SideFailedError: it neither completed nor was refused its route, or took too long.
    """
    folder = Folder(documents.path / name)
    folder.path.mkdir()
    _write_job(folder, documents, route, prices or {})
    cpu = EngineCpu(folder.tap)
    log = _finish(folder, cpu)
    saved = read_status(LocalStore(folder.checkpoint))
    if saved is None:
        raise SideFailedError(f"{name} left no status:\n{log}")
    final, message = saved.snapshot, saved.snapshot.message or ""
    is_refused = final.state is State.FAILED and message.startswith(REFUSED)
    if final.state is not State.COMPLETED and not is_refused:
        raise SideFailedError(f"{name} ended as {final.state}:\n{log}")
    refusal = message.removeprefix(REFUSED) if is_refused else None
    return Ran(folder, final, refusal, cpu.by_tier())


def labelled_by_all(ran: Ran) -> list[Labelled]:
    """The documents of a run whose sample was the whole job, in the order of its plan."""
    job = build_job(load_spec(ran.folder.job_file))
    header = read_header(job.open_checkpoint())
    assert header is not None
    prepare = ShardPreparer(
        job.source, job.tiers, job.route.rules, job.route.gold_field, job.open_checkpoint
    )
    prompts = {
        (shard, document.ordinal): next(iter(document.prompts.values()), ())
        for shard, prepared in prepare(range(header.shards))
        for document in prepared
    }
    return [
        labelled(
            job.tiers,
            SampledDocument(row, prompts[shard, row.ordinal], gold=None),
            is_priced=True,
        )
        for shard, row in ran.rows()
    ]


def _write_job(
    folder: Folder, documents: Documents, route: Route, prices: Mapping[str, float]
) -> None:
    tiers = [
        {
            "name": name,
            "model": str(DEMO / "models" / name),
            "engine": ENGINE,
            "num_cpus": NUM_CPUS,
            "usd_per_hour": USD_PER_HOUR * prices.get(name, 1.0),
        }
        for name in TIERS
    ]
    job = {
        "name": "benchmark",
        "input": {"uri": str(documents.folder), "id_field": "id"},
        "task": {
            "system": SYSTEM,
            "prompt": "{{ text }}",
            "output": {"type": "json", "schema_file": str(DEMO / "schema.json")},
            "sampling": {"max_tokens": MAX_TOKENS},
        },
        "tiers": tiers,
        "route": route,
        "output": "output",
        "checkpoint": "checkpoint",
        "spot": {"source": "none"},
    }
    folder.job_file.write_text(yaml.safe_dump(job))


def _finish(folder: Folder, cpu: EngineCpu) -> str:
    """Run it to its end, however it ends; the end of what it printed."""
    log = folder.path / "driver.log"
    give_up_s = time.monotonic() + SIDE_S
    with log.open("wb") as out:
        driver = subprocess.Popen(
            command("gleaner_side", folder.path),
            cwd=ROOT,
            env=environment(ONE_THREAD),
            stdout=out,
            stderr=out,
        )
        try:
            while driver.poll() is None:
                if time.monotonic() > give_up_s:
                    raise SideFailedError(f"{folder.path.name} took over {SIDE_S:.0f} s")
                cpu.look()
                time.sleep(POLL_S)
        finally:
            driver.kill()
            driver.wait()
    return log.read_text()[-3000:]
