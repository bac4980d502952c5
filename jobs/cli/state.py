"""Commands about runs that exist: status, verify, cancel, runs. None of them needs Ray."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from jobs.console import AsJson, Debug, JobFile, Out
from jobs.exit_codes import Exit

if TYPE_CHECKING:  # commands import what they need, so that help appears at once
    from jobs.status import RunStatus


def status(
    job: JobFile,
    as_json: AsJson = False,
    debug: Debug = False,  # noqa: ARG001 - read by ReportingGroup
) -> None:
    """Show where a run stands, from its objects alone; works from any machine.

    Example: gleaner status job.yaml
    """
    from jobs.spec.file import load_spec
    from jobs.status import read_status
    from jobs.wiring import open_stores
    from jobs.wording.run import status_lines

    out = Out(as_json=as_json)
    spec = load_spec(job)
    _, checkpoint = open_stores(spec)
    found, now_unix_s = read_status(checkpoint, spec.checkpoint), time.time()
    for line in status_lines(found, now_unix_s=now_unix_s, job=str(job)):
        out.say(line)
    out.result(_fields(found, now_unix_s))


def verify(
    job: JobFile,
    as_json: AsJson = False,
    debug: Debug = False,  # noqa: ARG001 - read by ReportingGroup
) -> None:
    """Prove from the objects alone that each document has exactly one result.

    Example: gleaner verify job.yaml

    Exits with 1 unless it is proven. Warns when the job file is not the one that ran.
    """
    from checkpoints.run import read_run
    from checkpoints.verify import verify as prove
    from jobs.spec.file import load_spec
    from jobs.wiring import differing_parts, open_stores

    out = Out(as_json=as_json)
    spec = load_spec(job)
    output, checkpoint = open_stores(spec)
    verdict = prove(output, checkpoint)
    run = read_run(checkpoint)
    differs = differing_parts(spec, run.fingerprint) if run is not None else ()
    out.say(verdict.line())
    if verdict.error_codes:
        codes = ", ".join(f"{code} x {times:,}" for code, times in verdict.error_codes)
        out.say(f"errors: {codes}")
    for problem in verdict.problems:
        out.say(problem, style="bold red")
    if differs:
        names = ", ".join(differs)
        out.say(
            f"warning: this job is not the one that made these results; it differs in: {names}",
            style="yellow",
        )
    exit_code = Exit.DONE if verdict.proven else Exit.FAILED
    facts = {**asdict(verdict), "proven": verdict.proven, "differs": list(differs)}
    out.result({**facts, "exit_code": exit_code})
    raise typer.Exit(exit_code)


def cancel(
    job: JobFile,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until the run has stopped.")] = False,
    timeout_s: Annotated[float, typer.Option(help="With --wait: give up after so long.")] = 600.0,
    as_json: AsJson = False,
    debug: Debug = False,  # noqa: ARG001 - read by ReportingGroup
) -> None:
    """Stop a run cleanly; finished work is kept, and `gleaner run` takes it up again.

    Example: gleaner cancel job.yaml --wait
    """
    from checkpoints.cancel import request_cancel
    from jobs.spec.file import load_spec
    from jobs.status import STALE, read_status, wait_for_end
    from jobs.wiring import open_stores
    from pipeline.progress import FINAL_STATES

    out = Out(as_json=as_json)
    spec = load_spec(job)
    _, checkpoint = open_stores(spec)
    state = read_status(checkpoint, spec.checkpoint).state(time.time())
    if state in FINAL_STATES:
        out.say(f"the run is over already: {state}")
    else:
        request_cancel(checkpoint, now_unix_s=time.time())
        out.say("cancel requested")
        if wait:
            end = wait_for_end(checkpoint, spec.checkpoint, timeout_s=timeout_s)
            state = end.state(time.time())
        if state == STALE:
            out.say("no driver seems to run, so nothing has to stop; `gleaner run` would resume it")
        elif wait:
            out.say(f"the run has stopped: {state}")
    out.result({"state": state})


def runs(
    uri: Annotated[str, typer.Argument(help="A folder or s3://bucket/prefix.")],
    as_json: AsJson = False,
    debug: Debug = False,  # noqa: ARG001 - read by ReportingGroup
) -> None:
    """List the runs under a place with their state, counts and cost, newest first.

    Example: gleaner runs s3://my-bucket/jobs
    """
    from rich.table import Table

    from jobs.runs import find_runs
    from jobs.wiring import open_store
    from jobs.wording.run import RUN_COLUMNS, run_cells

    out = Out(as_json=as_json)
    found, now_unix_s = find_runs(uri, open_store), time.time()
    if found:
        table = Table(*RUN_COLUMNS, box=None)
        for run in found:
            table.add_row(*run_cells(run, now_unix_s=now_unix_s))
        out.people.print(table)
    else:
        out.say(f"no runs under {uri}")
    out.result({"runs": [_fields(run.status, now_unix_s) | {"uri": run.uri} for run in found]})


def _fields(status: RunStatus, now_unix_s: float) -> dict[str, Any]:
    return {
        **asdict(status),
        "state": status.state(now_unix_s),
        "age_s": status.age_s(now_unix_s),
        "is_stale": status.is_stale(now_unix_s),
    }
