"""States of a run in words; pure, shared by every display."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobs.wording.interruptions import interruption_lines
from jobs.wording.numbers import count, duration, rate, usd
from jobs.wording.route import route_lines
from jobs.wording.watch import watch_lines
from pipeline.progress import FINAL_STATES, ErrorKind, Snapshot

if TYPE_CHECKING:  # jobs.runs and jobs.status use this file
    from jobs.runs import FoundRun
    from jobs.status import RunStatus


def state_words(snapshot: Snapshot) -> str:
    """The state, and what a person has to know about it."""
    words = snapshot.state.replace("_", " ")
    if snapshot.state in ("waiting_for_engines", "waiting_for_capacity"):
        words += f" ({snapshot.engines_ready} of {snapshot.engines_wanted} ready)"
    return f"{words}: {snapshot.message}" if snapshot.message else words


def left_words(snapshot: Snapshot) -> str:
    """How long it will take yet, and between which times nine times in ten."""
    words = duration(snapshot.eta_s)
    if snapshot.left is None or snapshot.eta_s is None:
        return words
    low = duration(snapshot.left.low_s)
    if snapshot.left.high_s is None:
        return f"{words} ({low} or more)"
    return f"{words} ({low} to {duration(snapshot.left.high_s)})"


def error_line(error: ErrorKind) -> str:
    """One kind of error, with one example where there is one."""
    if error.reason is None:
        return f"{error.code} x {count(error.count)}"
    reason = " ".join(error.reason.split())
    if len(reason) > 200:
        reason = reason[:197] + "..."
    return f"{error.code} x {count(error.count)}, e.g. document {error.id}: {reason}"


def plain_line(snapshot: Snapshot) -> str:
    """Everything that moves, in one line of a log; of a run that is over, what it came to."""
    parts = [
        snapshot.state,
        f"{count(snapshot.documents_finished)}/{count(snapshot.documents_total)} documents",
        f"{count(snapshot.documents_error)} errors",
        f"{count(snapshot.shards_done)}/{count(snapshot.shards_total)} shards",
    ]
    if snapshot.state not in FINAL_STATES:
        tokens_in, tokens_out = snapshot.prompt_tokens_per_s, snapshot.output_tokens_per_s
        parts += [
            rate(snapshot.documents_per_s),
            f"tokens in {rate(tokens_in)} out {rate(tokens_out)}",
            f"engines {snapshot.engines_ready}/{snapshot.engines_wanted}",
            f"left {left_words(snapshot)}",
        ]
    return " | ".join([*parts, f"elapsed {duration(snapshot.elapsed_s)}", usd(snapshot.cost_usd)])


def summary_lines(snapshot: Snapshot, *, output: str, job: str) -> list[str]:
    """What a run came to, where its results are, and what to do next."""
    tokens = snapshot.prompt_tokens + snapshot.output_tokens
    is_resumed = snapshot.documents_restored > 0
    lines = [
        state_words(snapshot),
        f"{count(snapshot.documents_finished)} of {count(snapshot.documents_total)} documents: "
        f"{count(snapshot.documents_ok)} ok, {count(snapshot.documents_error)} error",
        f"{count(tokens)} tokens ({count(snapshot.prompt_tokens)} in, "
        f"{count(snapshot.output_tokens)} out), {usd(snapshot.cost_usd)}, "
        f"{duration(snapshot.elapsed_s)}" + (" in all attempts" if is_resumed else ""),
    ]
    if is_resumed:
        lines.append(f"{count(snapshot.documents_restored)} documents kept from earlier attempts")
    lines += route_lines(snapshot)
    lines += interruption_lines(snapshot.interruptions)
    lines += watch_lines(snapshot.node_watch)
    lines += [error_line(error) for error in snapshot.first_errors]
    lines.append(f"results: {output.rstrip('/')}/results/*.parquet")
    if snapshot.state == "completed":
        lines.append(f"next: gleaner verify {job}")
    else:
        lines.append(f"next: gleaner run {job} takes it up where it is")
    return lines


def status_lines(status: RunStatus, *, now_unix_s: float, job: str) -> list[str]:
    """Where a run stands, and whether anybody still works on it."""
    age = duration(now_unix_s - status.created_unix_s)
    lines = [f"run {status.run_id} ({status.name}), started {age} ago"]
    if status.snapshot is not None:
        lines.append(f"state: {state_words(status.snapshot)}")
        lines.append(plain_line(status.snapshot))
        lines += route_lines(status.snapshot)
        lines += interruption_lines(status.snapshot.interruptions)
        lines += watch_lines(status.snapshot.node_watch)
        lines += [error_line(error) for error in status.snapshot.first_errors]
    else:
        lines.append("state: submitted; its driver has not reported yet")
    if status.is_stale(now_unix_s):
        lines.append(stale_line(status, now_unix_s=now_unix_s, job=job))
    elif status.has_cancel_request:
        lines.append("cancel is requested")
    lines.append(f"results: {status.output_uri.rstrip('/')}/results/*.parquet")
    return lines


def stale_line(status: RunStatus, *, now_unix_s: float, job: str) -> str:
    """That nobody seems to work on a run, and the way out."""
    silent_s = status.age_s(now_unix_s)
    silence = "ever" if silent_s is None else f"for {duration(silent_s)}"
    return (
        f"stale: no word from the driver {silence}; it is probably gone - gleaner run {job} resumes"
    )


RUN_COLUMNS = ("name", "run", "state", "documents", "errors", "cost", "age", "where")


def run_cells(run: FoundRun, *, now_unix_s: float) -> tuple[str, ...]:
    """A run as the cells of `gleaner runs`, one per column."""
    status, counts = run.status, ("", "", "")
    if status.snapshot is not None:
        counts = (
            f"{count(status.snapshot.documents_finished)}/{count(status.snapshot.documents_total)}",
            count(status.snapshot.documents_error),
            usd(status.snapshot.cost_usd),
        )
    age = duration(now_unix_s - status.created_unix_s)
    return (status.name, status.run_id, status.state(now_unix_s), *counts, age, run.uri)
