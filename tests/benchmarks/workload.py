"""What every side of a comparison is given: documents, model, limits, sampling, layout.

Boundary: values and the folder's contents; what a side does with them is its own file.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from jobs.demo.documents import Order, write_folder
from jobs.demo.prompt import SYSTEM

ROOT = Path(__file__).parents[2]
MODEL = ROOT / "jobs/demo/models/large"
SEED = 20_260
RAY_CPUS = 8  # logical; stock holds one per stage, and waits for ever with fewer than it needs
MAX_TOKENS = 96
ENGINE: dict[str, object] = {
    "max_model_len": 1024,
    "max_num_seqs": 64,
    "max_num_batched_tokens": 2048,
    "dtype": "bfloat16",
    "enforce_eager": False,
    "enable_prefix_caching": True,
}
SYSTEM_PROMPT = SYSTEM


@dataclass(frozen=True, slots=True)
class Layout:
    """How many vLLM engines run, and with how many threads each computes.

    Ray sets OMP_NUM_THREADS to an actor's CPUs unless it is set.
    """

    name: str
    engines: int
    threads: int


CORES = len(os.sched_getaffinity(0))
ONE_THREAD = Layout("one engine, one thread", 1, 1)
THREAD_PER_CORE = Layout("one engine, a thread per core", 1, CORES)
ENGINE_PER_CORE = Layout("an engine per core", CORES, 1)
LAYOUTS = (ONE_THREAD, THREAD_PER_CORE, ENGINE_PER_CORE)


@dataclass(frozen=True, slots=True)
class Text:
    """One document as it stands in the input file."""

    id: str
    text: str


@dataclass(frozen=True, slots=True)
class Folder:
    """Where one side finds its input and leaves its output and its tap's files."""

    path: Path

    @property
    def rows(self) -> Path:
        return self.path / "documents/rows.jsonl"

    @property
    def tap(self) -> Path:
        return self.path / "tap"

    @property
    def job_file(self) -> Path:
        return self.path / "job.yaml"

    @property
    def output(self) -> Path:
        return self.path / "output"

    @property
    def checkpoint(self) -> Path:
        return self.path / "checkpoint"

    def raw(self, part: int) -> Path:
        """What the raw side found for one part of the documents."""
        return self.path / f"raw-{part}.json"

    def texts(self) -> list[Text]:
        with self.rows.open() as lines:
            rows = [json.loads(line) for line in lines]
        return [Text(row["id"], row["text"]) for row in rows]


def write_workload(path: Path, count: int) -> Folder:
    """`count` documents of the demo's generator, in one jsonl file."""
    write_folder(Order(count, SEED, rows_share=1.0), path)
    return Folder(path)


def environment(layout: Layout) -> dict[str, str]:
    """The environment of every side."""
    fixed = {
        "HF_HUB_OFFLINE": "1",
        "VLLM_CPU_KVCACHE_SPACE": "1",
        "VLLM_NO_USAGE_STATS": "1",
        "VLLM_LOGGING_LEVEL": "WARNING",
        "VLLM_USE_AOT_COMPILE": "0",  # as Gleaner sets it on a CPU: a sooner start for every side
        "VLLM_ENABLE_V1_MULTIPROCESSING": "0",  # and less CPU time
        "OMP_NUM_THREADS": str(layout.threads),
        "DO_NOT_TRACK": "1",
        "RAY_USAGE_STATS_ENABLED": "0",
        "PYTHONPATH": str(ROOT),
    }
    return os.environ | fixed
