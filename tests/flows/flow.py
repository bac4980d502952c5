"""What flow tests share: a job on disk, a driver process, and the proof at the end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pyarrow.parquet as pq
import yaml

from checkpoints import keys
from checkpoints.journal import load_journal
from checkpoints.local_store import LocalStore
from checkpoints.plan import read_header
from checkpoints.result_file import decode_rows
from checkpoints.store import Store
from checkpoints.verify import Verdict, verify
from infra.local_cluster import LocalCluster, LocalNode
from jobs.demo.documents import Order, write_folder
from pipeline.status import SavedStatus, read_status
from tests.flows.counting import served

ROOT = Path(__file__).parents[2]
MODELS = ROOT / "jobs/demo/models"
WAIT_S = 600.0
LOG_END = 4000  # characters of a driver's log that a failed test shows
STARTED: list[subprocess.Popen[str]] = []  # drivers; a fixture ends those that a test left
LOGS: dict[subprocess.Popen[str], Path] = {}  # where each driver's stderr is


@dataclass(frozen=True)
class Flow:
    """One job in one folder, and where its engines count."""

    folder: Path

    @property
    def job_file(self) -> Path:
        return self.folder / "job.yaml"

    @property
    def counts(self) -> Path:
        return self.folder / "counts"

    @property
    def output(self) -> Store:
        return LocalStore(self.folder / "output")

    @property
    def checkpoint(self) -> Store:
        return LocalStore(self.folder / "checkpoint")

    def start_driver(
        self, cluster: LocalCluster, *arguments: str, module: str = "drive"
    ) -> subprocess.Popen[str]:
        """A driver in a process of its own; `arguments` as the module takes them."""
        log = self.folder / f"driver-{len(STARTED)}.log"
        with log.open("w") as stderr:
            driver = subprocess.Popen(
                [
                    *(sys.executable, "-m", f"tests.flows.{module}"),
                    *(str(self.job_file), cluster.address, str(self.counts), *arguments),
                ],
                cwd=ROOT,
                env=os.environ | cluster.environment,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
            )
        STARTED.append(driver)
        LOGS[driver] = log
        return driver

    def status(self) -> SavedStatus | None:
        return read_status(self.checkpoint)

    def finished(self) -> int:
        """Documents that have their row, as last saved."""
        saved = self.status()
        return 0 if saved is None else saved.snapshot.documents_finished

    def verdict(self) -> Verdict:
        return verify(self.output, self.checkpoint)

    def rows(self) -> list[dict[str, object]]:
        rows: list[dict[str, object]] = pq.read_table(self.folder / "output/results").to_pylist()
        return rows

    def served(self) -> list[str]:
        """Every request that an engine answered, as often as one did."""
        return served(self.counts)

    def served_twice(self) -> dict[str, int]:
        """Requests that engines answered more than once, and how often."""
        return {request: times for request, times in Counter(self.served()).items() if times > 1}

    def journaled(self) -> set[tuple[int, int]]:
        """(shard, ordinal) of every document that has a durable row now."""
        header = read_header(self.checkpoint)
        assert header is not None
        done = {(row["shard"], row["ordinal"]) for row in self.rows_by_shard()}
        for shard in range(header.shards):
            done |= {(shard, ordinal) for ordinal in load_journal(self.checkpoint, shard).rows}
        return done

    def rows_by_shard(self) -> Iterator[dict[str, int]]:
        """Shard and ordinal of every committed row."""
        for info in self.output.list(keys.RESULTS):
            shard = keys.parse_result_key(info.key)
            assert shard is not None
            for row in decode_rows(self.output.read(info.key)):
                yield {"shard": shard, "ordinal": row.ordinal}


def write_flow(
    folder: Path,
    *,
    count: int,
    rows_share: float = 0.5,
    has_bad_documents: bool = False,
    **changes: object,
) -> Flow:
    """Demo documents and a job over them; `changes` replace top-level parts of the job."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "counts").mkdir()
    order = Order(count, seed=5, rows_share=rows_share, has_bad_documents=has_bad_documents)
    write_folder(order, folder)
    job = {
        "name": "flow",
        "input": {"uri": "documents"},
        "task": {"prompt": "{{ text }}", "sampling": {"max_tokens": 96}},
        "tiers": [
            {
                "name": "small",
                "model": str(MODELS / "small"),
                "engine": {
                    "max_model_len": 1024,
                    "max_num_seqs": 32,
                    "max_num_batched_tokens": 2048,
                    "dtype": "bfloat16",
                    "enforce_eager": True,
                },
                "usd_per_hour": 1.0,
            }
        ],
        "output": "output",
        "checkpoint": "checkpoint",
        "limits": {"flush_s": 1, "coordinators": 1},
    }
    (folder / "job.yaml").write_text(yaml.safe_dump(job | changes, sort_keys=False))
    return Flow(folder)


def wait_until(condition: Callable[[], bool], what: str, timeout_s: float = WAIT_S) -> None:
    """Poll a condition; an AssertionError names what never came."""
    deadline_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline_s, f"waited {timeout_s:.0f} s in vain until {what}"
        time.sleep(0.05)


def finish(driver: subprocess.Popen[str]) -> tuple[int, dict[str, object]]:
    """(exit code, final snapshot) of a driver that ends by itself.

    Raises:
        AssertionError: it ended without a snapshot; says how, with the end of its log.
    """
    out, _ = driver.communicate(timeout=WAIT_S)
    if not out.strip():
        log = LOGS[driver].read_text()[-LOG_END:]
        raise AssertionError(f"the driver ended with {driver.returncode} and no snapshot:\n{log}")
    return driver.returncode, json.loads(out.strip().splitlines()[-1])


def processes_named(nodes: Iterable[LocalNode], part: str) -> list[psutil.Process]:
    """Live processes of these nodes whose command line contains `part`."""
    found = []
    for node in nodes:
        for process in node.processes():
            try:
                if part in " ".join(process.cmdline()):
                    found.append(process)
            except psutil.NoSuchProcess:
                continue
    return found


def kill_all(nodes: Iterable[LocalNode], part: str) -> None:
    """SIGKILL them; there must be some."""
    victims = processes_named(nodes, part)
    assert victims, f"no process named {part} to kill"
    for victim in victims:
        victim.kill()
