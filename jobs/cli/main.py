"""The command line: `gleaner COMMAND`. Thin; each command is a call or two into the packages.

Nothing heavy is imported before a command runs, so that help appears at once.
"""

from __future__ import annotations

import typer

from jobs.cli import calibrate, chaos, explain, job, report, run, state, watch
from jobs.console import ReportingGroup

app = typer.Typer(
    name="gleaner",
    cls=ReportingGroup,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="One LLM task over many documents, on GPUs that may vanish: each document gets exactly "
    "one proven result.\n\nStart with: gleaner init job.yaml, then gleaner run job.yaml.",
    epilog="Exit codes: 0 done, 1 failed or not proven, 2 bad usage or job, 3 not reachable, "
    "4 cancelled, 5 another driver runs it, 6 changed job, 7 unsafe store, "
    "8 nothing certified, 70 fault, "
    "130 stopped by Ctrl-C.",
)
for command in (
    job.init,
    job.schema,
    job.validate,
    job.plan,
    explain.explain,
    run.run,
    run.submit,
    state.status,
    watch.watch,
    state.verify,
    state.cancel,
    state.runs,
    report.report,
    calibrate.calibrate,
    chaos.chaos,
):
    app.command()(command)


def main() -> None:
    """The entry point of `gleaner` and `python -m jobs`."""
    app()
