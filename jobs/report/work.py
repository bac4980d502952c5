"""Errors, costs and interruptions, in bars and tables; pure."""

from __future__ import annotations

from jobs.report.amounts import cost_of_documents, cost_of_many, share
from jobs.report.data import Report, TierWork
from jobs.report.section import Section, Table, bars_of
from jobs.wording.numbers import count, duration, usd
from pipeline.interruptions import Interruptions
from pipeline.progress import ErrorKind

REASON_SHOWN = 200  # characters


def errors(report: Report) -> Section | None:
    """Nothing without errors."""
    snapshot = report.status.snapshot
    if snapshot is None or not snapshot.first_errors:
        return None
    kinds = sorted(snapshot.first_errors, key=lambda kind: -kind.count)
    rows = [(kind.code, float(kind.count), count(kind.count), _example(kind)) for kind in kinds]
    caption = "Documents that ended with an error, by its code, each with one example."
    return Section("errors", "Errors", (), (bars_of(rows, caption, "bad"),))


def costs(report: Report) -> Section | None:
    """What tiers did and what that cost; nothing where only one could be asked and nothing is paid.

    The saving compares what answers cost with what they would have cost from the strongest tier.
    """
    snapshot = report.status.snapshot
    if snapshot is None or not (snapshot.cost_usd or report.tiers):
        return None
    lines, finished = [], snapshot.documents_finished
    if snapshot.cost_usd and finished:
        each = cost_of_documents(snapshot.cost_usd / finished, "USD")
        lines.append(
            f"The run has cost {usd(snapshot.cost_usd)}, {each} per 1,000 finished documents, "
            "metered as the time of its engines at their price, also while they wait."
        )
    if not report.tiers:
        return Section("costs", "Cost", tuple(lines), ())
    lines += saving_lines(report)
    rows = [
        (work.name, work.cost, cost_of_many(work.cost, report.cost_unit), _kept(work))
        for work in report.tiers
    ]
    caption = "Cost of each tier's answers: their share of its engines' time" + (
        " at its price." if report.cost_unit == "USD" else ", in seconds of a whole engine."
    )
    parts = (bars_of(rows, caption), _tiers(report))
    return Section("costs", "Tiers and cost", tuple(lines), parts)


def saving_lines(report: Report) -> list[str]:
    """What the tiers before the strongest save so far, and what the sample lets expect."""
    cost, documents = sum(work.cost for work in report.tiers), report.tier_documents
    strong = report.tiers[-1]
    each, source = 0.0, ""
    expected = None if report.decision is None else report.decision.saving
    if expected is not None and report.is_own_sample:
        each, source = expected.reference_cost, "in the sample"
    elif strong.tally.documents:
        each, source = strong.cost / strong.tally.documents, "where it was asked"
    lines = []
    if each > 0 and documents and len(report.tiers) > 1:
        whole = each * documents
        verb = "saves" if cost <= whole else "costs more by"
        lines.append(
            f"So far the route {verb} {share(abs(1 - cost / whole))} against {strong.name} alone: "
            f"{cost_of_many(cost, report.cost_unit)} instead of about "
            f"{cost_of_many(whole, report.cost_unit)} for {count(documents)} documents, by what "
            f"it cost {source}. What the sample and the audit cost is part of it."
        )
    if expected is not None and expected.share:
        lines.append(
            f"{'The sample' if report.is_own_sample else 'The certificate'} lets expect "
            f"{share(expected.share)} for the other documents ({share(expected.low)} to "
            f"{share(expected.high)})."
        )
    return lines


def interruptions(report: Report) -> Section | None:
    """What notices and losses did; nothing where there were none."""
    snapshot = report.status.snapshot
    if snapshot is None:
        return None
    rows = interruption_rows(snapshot.interruptions)
    if not rows:
        return None
    return Section(
        "interruptions",
        "What interruptions cost",
        (),
        (
            Table(
                ("", "", "what it means"),
                rows,
                numbers=frozenset({1}),
                caption="Over all attempts. What was done twice is counted in the documents; "
                "tokens and time of it are upper bounds.",
            ),
        ),
    )


def interruption_rows(its: Interruptions) -> tuple[tuple[str, str, str], ...]:
    """(what, how much, in words); the words are those of `gleaner status`."""
    rework = its.rework
    rows = [
        (its.notices, "with notice", count(its.notices), "engines that were told to go"),
        (its.losses, "lost before they were empty", count(its.losses), "engines"),
        (
            its.notices,
            "finished under notice",
            count(its.finished_under_notice),
            f"documents ({count(its.tokens_under_notice)} tokens) in {duration(its.used_s)} of "
            "work",
        ),
        (
            its.handed_back,
            "handed back",
            count(its.handed_back),
            f"documents that did not fit; {count(its.dropped_tokens)} tokens could not be kept",
        ),
        (its.longest_drain_s, "longest drain", duration(its.longest_drain_s), "notice to empty"),
        (
            rework.salvaged_tokens,
            "salvaged",
            count(rework.salvaged_tokens),
            "tokens of unfinished answers that were continued elsewhere",
        ),
        (
            rework.documents,
            "done twice",
            count(rework.documents),
            f"documents, at most {count(rework.tokens)} tokens, {rework.engine_s:,.1f} engine "
            f"seconds ({rework.gpu_s:,.1f} GPU seconds), {usd(rework.usd)}",
        ),
        (
            its.restarted_documents,
            "begun again",
            f"about {count(its.restarted_documents)}",
            "documents, after the driver or a coordinator died",
        ),
    ]
    return tuple((name, amount, words) for happened, name, amount, words in rows if happened)


def _example(kind: ErrorKind) -> str:
    if kind.reason is None:
        return ""
    reason = " ".join(kind.reason.split())
    if len(reason) > REASON_SHOWN:
        reason = reason[: REASON_SHOWN - 3] + "..."
    return f"e.g. document {kind.id}: {reason}"


def _kept(work: TierWork) -> str:
    return f"{count(work.tally.kept)} of {count(work.tally.documents)} answers kept"


def _tiers(report: Report) -> Table:
    amounts = ("documents", "kept", "sent on", "tokens in", "tokens out")
    head = ("tier", *amounts, "engine time", "cost", "cost per 1,000")
    rows = []
    for work in report.tiers:
        tally, documents = work.tally, work.tally.documents
        each = cost_of_documents(work.cost / documents, report.cost_unit) if documents else ""
        numbers = (documents, tally.kept, documents - tally.kept)
        tokens = (tally.prompt_tokens, tally.output_tokens)
        cost = cost_of_many(work.cost, report.cost_unit)
        rows.append(
            (
                work.name,
                *(count(number) for number in (*numbers, *tokens)),
                duration(work.engine_s),
                cost,
                each,
            )
        )
    return Table(head, tuple(rows), numbers=frozenset(range(1, len(head))))
