"""Gleaner: the same documents through `execute`, with the tap around its vLLM engine.

    python -m tests.benchmarks.gleaner_side FOLDER [ADDRESS]

Running it again resumes. The last line of stdout is the final snapshot as JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import ray
import yaml

from jobs.spec.file import load_spec
from jobs.wiring import build_job
from pipeline.engines.engine import Engine, FinishReason, Parts, Request
from pipeline.engines.tiers import Tier
from pipeline.engines.vllm_engine import VLLMEngine
from pipeline.intake.listing import list_inputs
from pipeline.progress import State
from pipeline.run import execute
from tests.benchmarks import flight
from tests.benchmarks.tap import Tap
from tests.benchmarks.workload import (
    ENGINE,
    MAX_TOKENS,
    MODEL,
    RAY_CPUS,
    SYSTEM_PROMPT,
    Folder,
)


@dataclass(frozen=True)
class TappedFactory:
    """Makes vLLM engines with a tap; importable in Ray workers."""

    folder: str

    def __call__(self, tier: Tier) -> Engine:
        return TappedEngine(VLLMEngine(tier), Path(self.folder))


class TappedEngine:
    """A vLLM engine that writes down what it answered."""

    def __init__(self, inner: VLLMEngine, folder: Path) -> None:
        self._inner = inner
        self._tap = Tap(folder)
        self._sampling: asyncio.Task[None] | None = None

    async def start(self) -> None:
        await self._inner.start()
        self._tap.ready()
        self._sampling = flight.begin(self._inner._engine, self._tap)

    async def generate(self, requests: Sequence[Request]) -> Parts:
        async for part in self._inner.generate(requests):
            self._tap.answered(
                completion.request_id
                for completion in part
                if completion.finish_reason is not FinishReason.HANDED_BACK
            )
            yield part

    async def check_health(self) -> None:
        await self._inner.check_health()

    def drain(self, deadline_s: float) -> None:
        self._inner.drain(deadline_s)

    @property
    def is_closed(self) -> bool:
        return self._inner.is_closed


def write_job(
    folder: Folder,
    flush_s: float,
    engines: int = 1,
    *,
    has_confidence: bool = True,
    num_gpus: float = 0.0,
    schema: Path | None = None,
) -> None:
    """The job file of the comparison; `num_gpus` are those that Ray is to count per engine.

    With a JSON `schema` answers have to fit it; otherwise any text will do.
    """
    tier = {
        "name": "large",
        "model": str(MODEL),
        "engine": ENGINE,
        "replicas": {"max": engines},
        "num_gpus": num_gpus,
    }
    job = {
        "name": "benchmark",
        "input": {"uri": "documents", "id_field": "id"},
        "task": {
            "system": SYSTEM_PROMPT,
            "prompt": "{{ text }}",
            "output": {"type": "text"} if schema is None else _json_output(schema),
            "sampling": {"max_tokens": MAX_TOKENS},
            "confidence": has_confidence,
        },
        "tiers": [tier],
        "output": "output",
        "checkpoint": "checkpoint",
        "limits": {"flush_s": flush_s, "max_error_rate": 1},
        "spot": {"source": "none"},
    }
    folder.job_file.write_text(yaml.safe_dump(job))


def _json_output(schema: Path) -> dict[str, str]:
    return {"type": "json", "schema_file": str(schema)}


def main(arguments: list[str]) -> int:
    folder = Folder(Path(arguments[0]).absolute())
    address = arguments[1] if len(arguments) > 1 else None
    spec = load_spec(folder.job_file)
    job = replace(build_job(spec), make_engine=TappedFactory(str(folder.tap)))
    if address is not None:
        ray.init(address=address, log_to_driver=False)
    else:
        ray.init(address="local", num_cpus=RAY_CPUS, include_dashboard=False, log_to_driver=False)
    files = list_inputs(job.source)
    final = execute(job, files, on_progress=lambda _: None, should_stop=lambda: False)
    print(json.dumps(asdict(final)))
    return 0 if final.state is State.COMPLETED else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
