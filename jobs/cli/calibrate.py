"""The command that certifies a cheap model's answers from a table: calibrate."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from jobs.cli.errors import CommandError
from jobs.console import AsJson, Debug, Out
from jobs.exit_codes import Exit

if TYPE_CHECKING:  # commands import what they need, so that help appears at once
    from rich.table import Table

    from jobs.calibrate import Calibration

_COLUMN, _COST = "COLUMN", "COLUMN|NUMBER"


def calibrate(
    table: Annotated[
        Path, typer.Argument(metavar="TABLE", help="A .parquet, .csv or .jsonl file.")
    ],
    confidence: Annotated[
        list[str],
        typer.Option(
            metavar=_COLUMN,
            help="A signal of the cheap answer, larger where it is surer; repeat it to combine "
            "several.",
        ),
    ],
    loss: Annotated[
        str | None,
        typer.Option(metavar=_COLUMN, help="Of the cheap answer: 0 as good, 1 as bad as none."),
    ] = None,
    cheap: Annotated[
        str | None, typer.Option(metavar=_COLUMN, help="The cheap answer, with --strong.")
    ] = None,
    strong: Annotated[
        str | None, typer.Option(metavar=_COLUMN, help="The strong answer, with --cheap.")
    ] = None,
    loss_function: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Compares --cheap with --strong: exact, label, fields, document, similarity, or "
            "package.module:function.",
        ),
    ] = "exact",
    cheap_correct: Annotated[
        str | None,
        typer.Option(metavar=_COLUMN, help="Is the cheap answer right, with --strong-correct."),
    ] = None,
    strong_correct: Annotated[
        str | None, typer.Option(metavar=_COLUMN, help="Is the strong answer right.")
    ] = None,
    cheap_cost: Annotated[
        str, typer.Option(metavar=_COST, help="What a cheap answer costs, in any unit.")
    ] = "0",
    strong_cost: Annotated[
        str, typer.Option(metavar=_COST, help="What a strong answer costs, in the same unit.")
    ] = "1",
    documents: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="The size of the batch that the rows are a random sample of. Default: endless.",
        ),
    ] = None,
    within: Annotated[
        float, typer.Option(help="Promise: the mean loss is at most so much.")
    ] = 0.02,
    within_confidence: Annotated[
        float, typer.Option(help="Promise: with this probability.")
    ] = 0.95,
    seed: Annotated[int, typer.Option(help="Shuffles the rows.")] = 0,
    out: Annotated[Path, typer.Option(help="Where the certificate goes.")] = Path(
        "certificate.json"
    ),
    as_json: AsJson = False,
    debug: Debug = False,  # noqa: ARG001 - read by ReportingGroup
) -> None:
    """Certify from a labelled table which answers of a cheap model may be kept.

    Example: gleaner calibrate labels.csv --confidence p --cheap small --strong large

    Example: gleaner calibrate labels.parquet --confidence mean_logprob --confidence margin
    --cheap-correct small_ok --strong-correct large_ok --cheap-cost 0.1 --within 0.01

    The rows must be a uniform random sample of the batch. Say what an answer loses by one of:
    --loss; --cheap and --strong; --cheap-correct and --strong-correct. Without costs the strong
    model's calls are counted. Shows every tested threshold with its certified bound, expected
    escalation and saving, and writes the certificate.

    Exits with 8, and writes nothing, where nothing can be certified that costs less than the strong
    model alone; the last line says why, and how many labels would do.
    """
    from jobs.calibrate import MANY_DOCUMENTS
    from jobs.calibrate import calibrate as certify
    from jobs.calibrate_table import Columns
    from pipeline.certification.certify import Promise

    spoken = Out(as_json=as_json)
    try:
        promise = Promise(within=within, confidence=within_confidence)
    except ValueError as error:
        raise CommandError(
            str(error), "correct --within-confidence or --within", Exit.BAD_USAGE
        ) from error
    columns = Columns(
        confidence=tuple(confidence),
        loss=loss,
        answers=_both(cheap, strong, "--cheap", "--strong"),
        correct=_both(cheap_correct, strong_correct, "--cheap-correct", "--strong-correct"),
        loss_function=loss_function,
        costs=(_cost(cheap_cost), _cost(strong_cost)),
    )
    made = certify(
        table, columns, promise=promise, documents=documents or MANY_DOCUMENTS, seed=seed
    )
    if made.curve:
        spoken.people.print(_curve_table(made))
    decision = made.certificate.decision
    keeps_some = made.certificate.keeps_some
    if keeps_some:
        out.write_bytes(made.certificate.to_bytes())
        spoken.say(decision.why, style="bold green")
        spoken.say(f"wrote {out}")
    else:
        spoken.say(decision.why, style="bold red")
    exit_code = Exit.DONE if keeps_some else Exit.NOT_CERTIFIED
    spoken.result(
        {
            "certificate": json.loads(made.certificate.to_bytes()),
            "path": str(out) if keeps_some else None,
            "exit_code": exit_code,
        }
    )
    raise typer.Exit(exit_code)


def _curve_table(made: Calibration) -> Table:
    """One row per tested cut, strict first; the chosen one is marked."""
    from rich.table import Table

    from pipeline.certification.plan_wording import percent

    chosen = made.certificate.decision.cut
    table = Table("", "threshold", "mean loss", "certified bound", "escalated", "saving", box=None)
    for column in table.columns[1:]:
        column.justify = "right"
    for point in made.curve:
        cut = point.cut
        table.add_row(
            ">" if cut is chosen else "",
            "every answer" if cut.threshold == -math.inf else f"{cut.threshold:.6g}",
            percent(cut.mean_loss),
            percent(cut.bound) + ("" if cut.is_certified else " (too high)"),
            percent(cut.escalated),
            "-" if point.saving is None else percent(point.saving),
        )
    return table


def _both(
    cheap: str | None, strong: str | None, cheap_name: str, strong_name: str
) -> tuple[str, str] | None:
    if cheap is None and strong is None:
        return None
    if cheap is None or strong is None:
        given, lacking = (strong_name, cheap_name) if cheap is None else (cheap_name, strong_name)
        raise CommandError(f"{given} is given without {lacking}", "give both", Exit.BAD_USAGE)
    return cheap, strong


def _cost(given: str) -> str | float:
    try:
        return float(given)
    except ValueError:
        return given
