"""The demo: 1,000 documents of mixed formats, with the driver killed in the middle, and a rehearsal
of a spot notice.

Boundary: drives the command line as a user would, in processes of its own: a local Ray, a run that
is killed by SIGKILL, the same command again, verify. Reads results with pyarrow alone.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from checkpoints.local_store import LocalStore
from infra.local_cluster import LocalCluster
from jobs.demo.accuracy import accuracy_table
from jobs.demo.documents import Order, write_folder
from pipeline.status import read_status

JOB = Path(__file__).with_name("job.yaml")
SEED = 7
KILL_AT = 0.3  # of the documents
FIRST_DOCUMENTS_S = 600.0  # for the engine to start on a slow machine
# A notice in the middle of a run on two nodes, short enough to wait for.
REHEARSAL = ("--nodes", "2", "--documents", "1200", "--notice", "10", "--back", "2")
CPUS = 4  # logical: an engine, a coordinator and readers side by side, also on two cores


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; gives the exit code."""
    parser = argparse.ArgumentParser(description="Run the demo job, kill its driver, resume it.")
    parser.add_argument("--count", type=int, default=1000, help="number of documents")
    parser.add_argument("--out", type=Path, default=Path("build/demo"))
    options = parser.parse_args(arguments)
    return run_demo(options.count, options.out.resolve(), Console())


def run_demo(count: int, out: Path, console: Console) -> int:
    """Everything, in the order in which it is shown."""
    started_s = time.monotonic()
    shutil.rmtree(out, ignore_errors=True)
    console.rule(f"1. Write {count:,} documents with known answers")
    write_folder(Order(count, SEED, has_bad_documents=True), out)
    say(console, f"{out}/documents: jsonl rows, txt, md, html and pdf files")
    say(console, "a few are bad on purpose: each of them becomes an error row, the run goes on")

    console.rule("2. Start Ray and the job; SIGKILL its driver in the middle")
    with LocalCluster(head_cpus=CPUS) as cluster:
        environment = os.environ | cluster.environment | {"GLEANER_DEMO": str(out)}
        command = gleaner("run", str(JOB), "--address", cluster.address)
        killed_at = run_and_kill(command, environment, out, int(count * KILL_AT))
        if killed_at is None:
            console.print("the run ended before it could be killed", style="bold red")
            return 1
        console.print(f"killed the driver at {killed_at:,} finished documents", style="bold yellow")

        console.rule("3. The same command again: it resumes")
        exit_code = subprocess.run(command, env=environment, check=False).returncode
        if exit_code != 0:
            return exit_code

    console.rule("4. Verify: from the objects alone")
    verified = subprocess.run(gleaner("verify", str(JOB)), env=environment, check=False).returncode

    console.rule("5. Against the known answers")
    console.print(accuracy_table(out / "output" / "results", out / "documents", out / "gold.jsonl"))
    say(console, f"results:   {out}/output/results/*.parquet (any Parquet reader)")
    say(console, f"manifest:  {out}/output/manifest.json")
    say(console, f"look again: export GLEANER_DEMO={out}; gleaner status {JOB}")

    console.rule("6. Rehearse a spot notice: two nodes, one of them has to go")
    rehearsed = subprocess.run(gleaner("chaos", *REHEARSAL), check=False).returncode
    say(console, f"took: {time.monotonic() - started_s:.0f} s")
    return verified or rehearsed


def say(console: Console, line: str) -> None:
    """A line that a narrow terminal or a log file does not break."""
    console.print(line, soft_wrap=True)


def gleaner(*arguments: str) -> list[str]:
    """The command line that runs gleaner from this environment."""
    return [sys.executable, "-m", "jobs", *arguments]


def run_and_kill(
    command: Sequence[str], environment: dict[str, str], out: Path, documents: int
) -> int | None:
    """Start the command and SIGKILL it once so many documents are finished.

    Gives how many were; None when it ended by itself before that.
    """
    driver = subprocess.Popen(command, env=environment)
    checkpoint = LocalStore(out / "checkpoint")
    deadline_s = time.monotonic() + FIRST_DOCUMENTS_S
    try:
        while driver.poll() is None and time.monotonic() < deadline_s:
            saved = read_status(checkpoint)
            done = 0 if saved is None else saved.snapshot.documents_finished
            if done >= documents:
                return done
            time.sleep(0.2)
        return None
    finally:
        driver.kill()
        driver.wait()


if __name__ == "__main__":
    sys.exit(main())
