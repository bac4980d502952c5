"""The command about the route of documents: explain. It needs no engine."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from jobs.cli.errors import CommandError
from jobs.console import AsJson, Debug, JobFile, Out
from jobs.exit_codes import Exit

if TYPE_CHECKING:  # commands import what they need, so that help appears at once
    from jobs.explanation import Explanation, TriedRule

DOCUMENTS = 20


def explain(
    job: JobFile,
    limit: Annotated[
        int | None,
        typer.Option("--limit", min=1, help=f"Only the first so many documents; {DOCUMENTS}."),
    ] = None,
    document: Annotated[
        str | None,
        typer.Option("--document", metavar="ID", help="One document, and every rule tried on it."),
    ] = None,
    as_json: AsJson = False,
    debug: Debug = False,  # noqa: ARG001 - read by ReportingGroup
) -> None:
    """Show at which tier documents start, and by which rule; reads and counts, generates nothing.

    Example: gleaner explain job.yaml --document invoice-17
    """
    from jobs.explanation import explain_documents, totals
    from jobs.spec.file import load_spec

    out, spec = Out(as_json=as_json), load_spec(job)
    if document is not None:
        found = _found(explain_documents(spec, limit=limit), document)
        for line in [*_lines(found), *(line for rule in found.tried for line in _tried(rule))]:
            out.say(line)
        out.result({"document": asdict(found)})
        return
    explained = []
    for one in explain_documents(spec, limit=limit or DOCUMENTS):
        explained.append(one)
        for line in _lines(one):
            out.say(line)
    sums = totals(explained)
    for name, counts in sums.items():
        if counts:
            words = ", ".join(f"{key} {number:,}" for key, number in counts.items())
            out.say(f"{name.replace('_', ' ')}: {words}", style="bold")
    out.result({"documents": [asdict(one) for one in explained], **sums})


def _found(explained: Iterable[Explanation], document: str) -> Explanation:
    for one in explained:
        if one.id == document:
            return one
    raise CommandError(
        f"no document has the id {document}",
        "take an id that `gleaner explain` shows, or raise --limit",
        Exit.BAD_USAGE,
    )


def _lines(one: Explanation) -> list[str]:
    rule = "" if one.rule is None else f"{one.rule}: "
    lines = [f"{one.id}: {one.start or 'error'} - {rule}{one.reason}"]
    if one.facts:
        lines.append(f"    {'; '.join(one.facts)}")
    if one.start is not None:
        lines += [f"    does not fit {tier}: {why}" for tier, why in one.misfits.items()]
    return lines


def _tried(rule: TriedRule) -> list[str]:
    verdict = "matches" if rule.matches else "does not match"
    checks = [f"    {'yes' if one.holds else 'no '} {one.words}" for one in rule.checks]
    return [f"{rule.name} ({rule.tier}) {verdict}", *checks]
