"""Commands that start work: run, submit."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from jobs.console import AsJson, Debug, JobFile, Out
from jobs.exit_codes import Exit, exit_of_state

SECOND_CTRL_C = "stopping: keeping what is done (press Ctrl-C again to stop at once)"


def run(
    job: JobFile,
    address: Annotated[
        str | None,
        typer.Option(help="The Ray to run on: auto or HOST:PORT. Default: a private local Ray."),
    ] = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Run a job here, or take it up where it is: a run that was stopped or killed resumes.

    Example: gleaner run job.yaml

    The first Ctrl-C stops cleanly, a second at once; nothing finished is lost either way.
    """
    from jobs.display import display_for
    from jobs.interrupts import StopSwitch
    from jobs.ray_session import ray_session
    from jobs.spec.file import load_spec
    from jobs.validation import check_job
    from jobs.wiring import build_job
    from jobs.wording.run import summary_lines
    from pipeline.progress import starting
    from pipeline.run import execute

    out = Out(as_json=as_json)
    spec = load_spec(job)
    display = display_for(out.people, as_json=as_json)
    with display:
        display.show(starting("listing the input and checking the job"))
        files = check_job(spec)
        display.show(starting(f"joining Ray ({len(files):,} files of input)"))
        with (
            ray_session(address, show_worker_logs=debug),
            StopSwitch(lambda: display.say(SECOND_CTRL_C)) as switch,
        ):
            final = execute(
                build_job(spec), files, on_progress=display.show, should_stop=switch.is_on
            )
    for line in summary_lines(final, output=spec.output, job=str(job)):
        out.say(line)
    exit_code = exit_of_state(final.state, was_interrupted=switch.is_on())
    out.result({"event": "result", **asdict(final), "output": spec.output, "exit_code": exit_code})
    raise typer.Exit(exit_code)


def submit(
    job: JobFile,
    address: Annotated[
        str | None,
        typer.Option(help="The cluster's job server. Default: RAY_API_SERVER_ADDRESS."),
    ] = None,
    wait: Annotated[
        bool, typer.Option("--wait/--no-wait", help="Follow the job's log to its end.")
    ] = True,
    ship_code: Annotated[
        bool,
        typer.Option(
            help="Send this gleaner along. --no-ship-code uses the one installed on the cluster."
        ),
    ] = True,
    env: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Hand on an environment variable, e.g. AWS_REGION. No secrets: Ray shows them.",
        ),
    ] = None,
    as_json: AsJson = False,
    debug: Debug = False,  # noqa: ARG001 - read by ReportingGroup
) -> None:
    """Send a job to a Ray cluster. Submitted again while it goes on, it is attached to.

    Example: gleaner submit job.yaml --address http://head:8265

    Submitted again after its end, it resumes; a completed run then ends at once.
    A cluster with token authentication: set RAY_AUTH_TOKEN_PATH to the file with its token.
    """
    from jobs.spec.file import load_spec
    from jobs.submission import local_places
    from jobs.submit import JobServer, follow, submit_or_attach

    out = Out(as_json=as_json)
    spec = load_spec(job)
    server = JobServer(address)
    submitted = submit_or_attach(server, spec, ship_code=ship_code, forward=tuple(env or ()))
    verb = "attached to" if submitted.is_attached else "submitted"
    out.say(f"{verb} {submitted.submission_id} on {server.address}")
    places = local_places(spec)
    for field, path in places.items():
        out.say(f"every node of the cluster needs {path} ({field})")
    fields = {**asdict(submitted), "address": server.address, "needs_on_every_node": places}
    if not wait:
        out.result({**fields, "exit_code": Exit.DONE})
        return
    try:
        end = follow(server, submitted.submission_id, out.people.out)
    except KeyboardInterrupt:
        out.say(f"the job goes on; watch it with: gleaner status {job}")
        raise
    out.say(f"{submitted.submission_id}: {end.status}")
    out.result({**fields, "status": end.status, "exit_code": end.exit_code})
    raise typer.Exit(end.exit_code)
