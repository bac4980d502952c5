"""The command that rehearses interruptions: chaos."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from jobs.cli.errors import CommandError
from jobs.console import AsJson, Debug, Out
from jobs.exit_codes import Exit

if TYPE_CHECKING:  # commands import what they need, so that help appears at once
    from infra.spot.schedule import Schedule
    from jobs.chaos.report import Report
    from jobs.spec.job import JobSpec

TRACE_SPEED = 60.0
LIMIT_S = 1800.0


def chaos(
    job: Annotated[
        Path | None,
        typer.Argument(
            metavar="[JOB]",
            help="A job file; its input is read, its output and checkpoint are not touched. "
            "Default: a bundled job with a tiny model.",
        ),
    ] = None,
    schedule: Annotated[
        str,
        typer.Option(
            metavar="NAME|FILE",
            help="notice, kill, early, all, all-notice, storm, flap, driver, none; or a YAML file.",
        ),
    ] = "notice",
    trace: Annotated[
        Path | None,
        typer.Option(help="Replay a recorded trace of spot capacity (SkyPilot's JSON) instead."),
    ] = None,
    speed: Annotated[
        float, typer.Option(help="With --trace: so many times as fast as recorded.")
    ] = TRACE_SPEED,
    start: Annotated[
        float, typer.Option(metavar="SECONDS", help="With --trace: begin so far into it.")
    ] = 0.0,
    nodes: Annotated[int, typer.Option(min=1, help="Engine nodes, each with one engine.")] = 3,
    notice: Annotated[
        float, typer.Option(min=0, metavar="SECONDS", help="Between a notice and its deadline.")
    ] = 12.0,
    back: Annotated[
        float,
        typer.Option(min=0, metavar="SECONDS", help="From a node's death to its replacement."),
    ] = 8.0,
    documents: Annotated[
        int | None,
        typer.Option(min=1, help="So many documents. Default: 5,000, or all of your JOB."),
    ] = None,
    limit: Annotated[
        float,
        typer.Option(
            min=1, metavar="SECONDS", help="Stop a run that takes longer; it has not passed then."
        ),
    ] = LIMIT_S,
    seed: Annotated[int, typer.Option(help="Draws the documents, and which node goes.")] = 7,
    out: Annotated[
        Path | None,
        typer.Option(help="A new folder for job, results and logs. Default: a temporary one."),
    ] = None,
    keep: Annotated[
        bool, typer.Option("--keep", help="Keep the temporary folder, also when all went well.")
    ] = False,
    as_json: AsJson = False,
    debug: Debug = False,  # noqa: ARG001 - read by ReportingGroup
) -> None:
    """Rehearse interruptions: run a job on a Ray of several nodes here, and take nodes from it.

    Example: gleaner chaos --schedule storm

    Example: gleaner chaos job.yaml --documents 2000 --nodes 2 --schedule kill

    Each node is a raylet of its own with a real vLLM engine; it is killed by SIGKILL at its
    deadline, whatever it has done by then. Notices take the way of real ones: a metadata service,
    the node's sentinel, Ray's drain. In the end every document is proven from the stored
    objects, and what the interruptions cost is shown. Exits with 0 only if nothing was lost and
    all of the schedule was played; of a trace, as much as the run lasts.

    A schedule file: outages: [{at: 30%, node: 1, notice: 12, back: 8}, {at: 60%, node: all}]
    """
    from jobs.chaos.rehearsed_job import DOCUMENTS, bundled_job, set_aside, users_job
    from jobs.chaos.report import account_table

    spoken = Out(as_json=as_json)
    its_schedule = _schedule(
        schedule,
        trace,
        nodes=nodes,
        notice_s=notice,
        back_s=back,
        seed=seed,
        speed=speed,
        start_s=start,
    )
    own = None if job is None else users_job(job, documents=documents)
    folder = _folder(out)
    if own is not None and set_aside(own):
        fields = ", ".join(set_aside(own))
        spoken.say(f"set aside, because all nodes of a rehearsal are alike: {fields}")
    try:
        spec = own or bundled_job(folder, documents=documents or DOCUMENTS, seed=seed)
        report = _rehearse(spec, folder, its_schedule, limit, spoken)
        spoken.people.print(account_table(report))
        for problem in report.problems:
            spoken.say(problem, style="bold red")
        if report.verdict is not None:
            passed = "passed" if report.has_passed else "NOT PASSED"
            spoken.say(f"{passed}: {report.verdict.line()}", style="bold")
        is_kept = keep or out is not None or not report.has_passed
    except BaseException:
        spoken.say(f"logs and results so far: {folder}")
        raise
    if is_kept:
        spoken.say(f"job, results and logs: {folder}")
    else:
        shutil.rmtree(folder)
    exit_code = Exit.DONE if report.has_passed else Exit.FAILED
    spoken.result(
        {**report.fields(), "folder": str(folder) if is_kept else None, "exit_code": exit_code}
    )
    raise typer.Exit(exit_code)


def _schedule(
    name: str,
    trace: Path | None,
    *,
    nodes: int,
    notice_s: float,
    back_s: float,
    seed: int,
    speed: float,
    start_s: float,
) -> Schedule:
    from infra.spot.builtin_schedules import BUILT_IN, Setting, built_in
    from infra.spot.schedule import ScheduleError
    from infra.spot.trace import parse_trace, replay
    from jobs.chaos.schedule_file import read_schedule

    try:
        if trace is not None:
            recorded = parse_trace(trace.read_text()).since(start_s).faster(speed)
            return replay(recorded, name=trace.stem, nodes=nodes, seed=seed, notice_s=notice_s)
        if name not in BUILT_IN and Path(name).is_file():
            return read_schedule(Path(name), nodes=nodes)
        return built_in(name, Setting(nodes, notice_s, back_s))
    except ScheduleError as error:
        remedy = "`gleaner chaos --help` shows what is there"
        raise CommandError(str(error), remedy, Exit.BAD_USAGE) from error


def _folder(out: Path | None) -> Path:
    """A folder that was not there, or was empty: a rehearsal never mixes with other files."""
    if out is None:
        return Path(tempfile.mkdtemp(prefix="gleaner-chaos-"))
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise CommandError(f"{out} is there already", "name a new folder", Exit.BAD_USAGE)
    out.mkdir(parents=True, exist_ok=True)
    return out.resolve()


def _rehearse(spec: JobSpec, folder: Path, schedule: Schedule, limit_s: float, out: Out) -> Report:
    from checkpoints.errors import NoRunError
    from checkpoints.local_store import LocalStore
    from checkpoints.verify import verify
    from infra.local_cluster import ClusterStartError
    from jobs.chaos.accounting import read_accounting
    from jobs.chaos.rehearse import Rehearsal, rehearse
    from jobs.chaos.rehearsed_job import write_rehearsed
    from jobs.chaos.report import Report
    from jobs.interrupts import StopSwitch

    file = write_rehearsed(spec, folder, nodes=schedule.nodes)
    output, checkpoint = folder / "output", folder / "checkpoint"
    rehearsal = Rehearsal(file, checkpoint, spec.limits.coordinators, schedule, limit_s)
    try:
        with StopSwitch(lambda: None):  # nobody asks it: also SIGTERM ends it with all its nodes
            conduct = rehearse(rehearsal, out.say)
    except ClusterStartError as error:
        remedy = "free memory and ports, or rehearse with fewer --nodes"
        raise CommandError(str(error), remedy, Exit.UNREACHABLE) from error
    try:
        verdict = verify(LocalStore(output), LocalStore(checkpoint))
    except NoRunError:
        verdict = None
    return Report(schedule, conduct, verdict, read_accounting(LocalStore(output)))
