"""The command that shows a run to people who were not there: report."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from jobs.console import AsJson, Debug, JobFile, Out


def report(
    job: JobFile,
    out: Annotated[Path, typer.Option(help="The page; a page that is there is replaced.")] = Path(
        "report.html"
    ),
    verify: Annotated[
        bool, typer.Option("--verify", help="Prove the run for it: reads every result.")
    ] = False,
    as_json: AsJson = False,
    debug: Debug = False,  # noqa: ARG001 - read by ReportingGroup
) -> None:
    """Write one HTML page about a run: course, cost, quality, errors; from its objects alone.

    Example: gleaner report job.yaml --out invoices.html

    The page needs no network and no other file. It can be made while the run goes on, and from any
    machine.
    """
    from jobs.report.data import read_report
    from jobs.report.page import page
    from jobs.route_wiring import route_terms
    from jobs.spec.file import load_spec
    from jobs.wiring import build_tier, open_stores

    words = Out(as_json=as_json)
    spec = load_spec(job)
    output, checkpoint = open_stores(spec)
    cascade = route_terms(spec).cascade
    found = read_report(
        output,
        checkpoint,
        spec.checkpoint,
        tiers=[build_tier(spec, tier) for tier in spec.route_tiers],
        quality=None if cascade is None else cascade.quality,
        now_unix_s=time.time(),
        is_verified=verify,
    )
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(page(found), encoding="utf-8")
    words.say(f"report of run {found.status.run_id} ({found.state}): {out}")
    verdict = found.verdict
    words.result(
        {
            "report": str(out),
            "run_id": found.status.run_id,
            "state": found.state,
            "proven": None if verdict is None else verdict.proven,
        }
    )
