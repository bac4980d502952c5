"""Interruptions of a run in words; pure, shared by every display."""

from __future__ import annotations

import time

from jobs.wording.numbers import count, duration, usd
from pipeline.interruptions import Interruption, Interruptions

NODE_SHOWN = 8  # characters of Ray's id


def interruption_lines(its: Interruptions) -> list[str]:
    """What interruptions did to a run, and what starting engines took; nothing for neither."""
    lines = []
    if its.notices or its.losses:
        lines.append(
            f"interruptions: {count(its.notices)} with notice, "
            f"{count(its.losses)} lost before they were empty"
        )
    if its.notices:
        lines.append(
            f"under notice: {count(its.finished_under_notice)} documents finished "
            f"({count(its.tokens_under_notice)} tokens) in {duration(its.used_s)} of work, "
            f"{count(its.handed_back)} handed back; longest drain {duration(its.longest_drain_s)}"
        )
    rework = its.rework
    if rework.salvaged_tokens:
        lines.append(f"salvaged: {count(rework.salvaged_tokens)} tokens of unfinished answers")
    if rework.documents:
        lines.append(
            f"done twice: {count(rework.documents)} documents, at most {count(rework.tokens)} "
            f"tokens, {rework.engine_s:,.1f} engine seconds ({rework.gpu_s:,.1f} GPU seconds), "
            f"{usd(rework.usd)}"
        )
    if rework.prefilled_again_tokens:
        lines.append(
            f"prompts computed again: {count(rework.prefilled_again_tokens)} tokens, with what was "
            "continued"
        )
    starts = its.starts
    if starts.seconds:
        lines.append(
            f"engine starts: {duration(starts.seconds)} ({usd(starts.usd)}), of it "
            f"{duration(starts.restart_seconds)} ({usd(starts.restart_usd)}) for replacements"
        )
    if its.restarted_documents:
        lines.append(
            "begun again after the driver or a coordinator died: about "
            f"{count(its.restarted_documents)} documents"
        )
    return lines


def event_line(event: Interruption) -> str:
    """What is known of one engine that has to go, or went."""
    engine = f"an engine of {event.tier} on node {event.node[:NODE_SHOWN]}"
    if event.is_lost and event.noticed_unix_s is None:
        return f"{engine} is lost, without notice"
    if event.is_lost:
        return f"{engine} is lost before it was empty"
    if event.drained_s is not None:
        return (
            f"{engine} is empty {duration(event.drained_s)} after its notice: "
            f"{count(event.documents)} documents finished, {count(event.handed_back)} handed back"
        )
    if event.deadline_unix_s is None:
        return f"{engine} takes new work only until it is replaced; its node is cordoned"
    until = time.strftime("%H:%M:%S", time.localtime(event.deadline_unix_s))
    return f"{engine} has to go by {until}"
