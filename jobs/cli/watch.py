"""The command that follows a run live: watch."""

from __future__ import annotations

import time
from contextlib import ExitStack
from itertools import chain
from typing import Annotated

import typer

from jobs.console import AsJson, Debug, JobFile, Out
from jobs.exit_codes import Exit

ENDS = {"completed": Exit.DONE, "failed": Exit.FAILED, "cancelled": Exit.CANCELLED}


def watch(
    job: JobFile,
    web: Annotated[
        bool, typer.Option("--web", help="Serve a live page for the browser, too.")
    ] = False,
    port: Annotated[int, typer.Option(help="With --web: its port; 0 takes a free one.")] = 8270,
    host: Annotated[
        str,
        typer.Option(help="With --web: the address it listens on. The page has no password."),
    ] = "127.0.0.1",
    as_json: AsJson = False,
    debug: Debug = False,  # noqa: ARG001 - read by ReportingGroup
) -> None:
    """Follow a run until it is over: rates, tiers, engines, errors, cost and time left.

    Example: gleaner watch job.yaml --web

    Reads the run's objects only, so that it works from any machine that can read them, and
    disturbs nothing. Ctrl-C ends the watching, not the run. Exits with 0 when the run is completed,
    1 when it failed, 4 when it was cancelled.
    """
    from jobs.display import display_for
    from jobs.spec.file import load_spec
    from jobs.watch.follow import follow, statuses
    from jobs.watch.live import Live
    from jobs.watch.web import serving
    from jobs.wiring import open_stores

    out = Out(as_json=as_json)
    spec = load_spec(job)
    _, checkpoint = open_stores(spec)
    live = Live(job=str(job))
    with ExitStack() as stack:
        display = stack.enter_context(display_for(out.people, as_json=as_json))
        found = live.noted(statuses(checkpoint, spec.checkpoint))
        first = next(found)  # there is a run, or nothing is served
        if web:
            display.say(f"live page: {stack.enter_context(serving(live.picture, host, port))}")
        last = follow(chain([first], found), display, job=str(job))
        if web:
            live.wait_for_last_look()
    state = last.state(time.time())
    out.result({"state": state, "run_id": last.run_id})
    raise typer.Exit(ENDS.get(state, Exit.FAILED))
