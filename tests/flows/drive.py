"""A driver process for flow tests: `gleaner run` with engines that count.

    python -m tests.flows.drive JOB ADDRESS COUNTS [FAKE_DELAY_S [POISON_TOKEN [START_S]]]

Exits as `gleaner run` would; the last line of stdout is the final snapshot as JSON.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, replace
from pathlib import Path

from jobs.exit_codes import exit_of_state
from jobs.ray_session import ray_session
from jobs.spec.file import load_spec
from jobs.wiring import build_job
from pipeline.engines.engine import EngineFactory
from pipeline.intake.listing import list_inputs
from pipeline.run import execute
from tests.flows.counting import CountedFactory


def main(arguments: list[str]) -> int:
    job_file, address, counts, *rest = arguments
    return drive(
        Path(job_file),
        address,
        CountedFactory(
            counts,
            delay_s=float(rest[0]) if rest else None,
            poison_token=int(rest[1]) if len(rest) > 1 else None,
            start_s=float(rest[2]) if len(rest) > 2 else 0.0,
        ),
    )


def drive(job_file: Path, address: str, factory: EngineFactory) -> int:
    """Run the job with these engines; its exit code."""
    job = replace(build_job(load_spec(job_file)), make_engine=factory)
    with ray_session(address, show_worker_logs=False):
        files = list_inputs(job.source)
        final = execute(job, files, on_progress=lambda _: None, should_stop=lambda: False)
    print(json.dumps(asdict(final)))
    return int(exit_of_state(final.state, was_interrupted=False))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
