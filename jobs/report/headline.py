"""The figures that a reader looks for first; pure."""

from __future__ import annotations

import time

from jobs.report.amounts import cost_of_documents, share
from jobs.report.data import Report
from jobs.report.section import Card, Mood
from jobs.status import STALE
from jobs.wording.numbers import count, duration, usd
from pipeline.progress import FINAL_STATES, State

_MOODS: dict[str, Mood] = {State.COMPLETED: "good", State.FAILED: "bad", STALE: "bad"}


def cards(report: Report) -> tuple[Card, ...]:
    """State, documents, errors, time, cost and proof, as far as they are known."""
    snapshot = report.status.snapshot
    found = [_state(report)]
    if snapshot is not None:
        finished, total = snapshot.documents_finished, snapshot.documents_total
        found += [
            Card(
                "documents",
                count(finished),
                f"of {count(total)}" + (f", {share(finished / total)}" if total else ""),
            ),
            Card(
                "errors",
                count(snapshot.documents_error),
                share(snapshot.documents_error / finished) if finished else "",
                "bad" if snapshot.documents_error else "plain",
            ),
            Card("time", duration(snapshot.elapsed_s), _time_note(report)),
            Card("cost", usd(snapshot.cost_usd), _cost_note(snapshot.cost_usd, finished)),
        ]
    return (*found, _proof(report))


def notices(report: Report) -> tuple[str, ...]:
    """What a person has to know before all else."""
    snapshot, status = report.status.snapshot, report.status
    lines = []
    if snapshot is not None and snapshot.message:
        lines.append(snapshot.message)
    if status.is_stale(report.made_unix_s):
        silent_s = status.age_s(report.made_unix_s)
        silence = "ever" if silent_s is None else f"for {duration(silent_s)}"
        lines.append(f"no word from the driver {silence}: it is probably gone; a new start resumes")
    elif status.has_cancel_request and report.state not in FINAL_STATES:
        lines.append("cancel is requested")
    if snapshot is None:
        lines.append("nothing to show yet: the driver has not reported")
    elif not len(report.history):
        lines.append("no shard is committed yet, so there is no course to show")
    if report.verdict is not None:
        lines += report.verdict.problems
    return tuple(lines)


def moment(unix_s: float) -> str:
    """A date and time that means the same everywhere."""
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(unix_s))


def _state(report: Report) -> Card:
    snapshot, note = report.status.snapshot, ""
    if snapshot is not None and report.state not in FINAL_STATES:
        note = f"{snapshot.engines_ready} of {snapshot.engines_wanted} engines"
    words = report.state.replace("_", " ")
    return Card("state", words, note, _MOODS.get(report.state, "plain"))


def _time_note(report: Report) -> str:
    snapshot = report.status.snapshot
    if snapshot is None or report.state in FINAL_STATES:
        return "in all attempts"
    return f"{duration(snapshot.eta_s)} left"


def _cost_note(cost_usd: float, finished: int) -> str:
    if not finished or not cost_usd:
        return ""
    return f"{cost_of_documents(cost_usd / finished, 'USD')} per 1,000 documents"


def _proof(report: Report) -> Card:
    verdict = report.verdict
    if verdict is None:
        return Card("proof", "not known", "gleaner report --verify proves it")
    if verdict.proven:
        return Card("proof", "proven", verdict.line(), "good")
    return Card("proof", "not proven", verdict.line(), "bad")
