"""What speaks against a rehearsal: everything that keeps it from having shown what it should.

Boundary: pure; values in, sentences for people out.
Invariant: a rehearsal that nothing speaks against was played, heard of by the run, answered by
engines, accounted for and proven.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from checkpoints.verify import Verdict
from infra.spot.schedule import Outage, Schedule
from jobs.chaos.accounting import Accounting
from jobs.chaos.timeline import Conduct
from jobs.wording.numbers import count
from pipeline.failures import Code

OF_ENGINES = frozenset({Code.ENGINE_CRASH, Code.ENGINE_ERROR, Code.TIMEOUT})
OUTAGES_NAMED = 3


def problems_of(
    schedule: Schedule, conduct: Conduct, verdict: Verdict | None, accounting: Accounting | None
) -> tuple[str, ...]:
    """Why the rehearsal has not passed, the cause first; empty when it has.

    `verdict` is None where nothing was planned, `accounting` where the run wrote no manifest.
    """
    ended = () if conduct.problem is None else (conduct.problem,)
    if verdict is None:
        return (*ended, "nothing was planned, so there is nothing to prove")
    return (
        *ended,
        *_unproven(verdict),
        *_unanswered(verdict),
        *_unplayed(schedule, conduct),
        *_unheard(schedule, conduct, accounting),
        *_unsaved(schedule, conduct, accounting),
    )


def _unproven(verdict: Verdict) -> tuple[str, ...]:
    return verdict.problems if verdict.proven or verdict.problems else (verdict.line(),)


def _unanswered(verdict: Verdict) -> Iterator[str]:
    """A run whose engines failed on everything they were asked has its rows and shows nothing."""
    failed = {code: number for code, number in verdict.error_codes if code in OF_ENGINES}
    if failed and not verdict.ok:
        codes = ", ".join(f"{code} {count(number)}" for code, number in failed.items())
        yield (
            f"no document has an answer, and {count(sum(failed.values()))} of "
            f"{count(verdict.documents)} failed in the engine ({codes}): see the driver's log"
        )


def _unplayed(schedule: Schedule, conduct: Conduct) -> Iterator[str]:
    left = conduct.outages_left
    if not left or (schedule.is_open_ended and len(left) < len(schedule.outages)):
        return
    named = ", ".join(str(outage) for outage in left[:OUTAGES_NAMED])
    if len(left) > OUTAGES_NAMED:
        named += f" and {count(len(left) - OUTAGES_NAMED)} more outages"
    if conduct.problem is not None:
        yield f"never played: {named}"
    else:
        yield f"the run was over before {named}: give it more documents"


def _unheard(schedule: Schedule, conduct: Conduct, accounting: Accounting | None) -> Iterator[str]:
    if accounting is None:
        yield "the run left no account of what interruptions did to it"
    elif conduct.notices_given and not accounting.notices and _has_full_notice(schedule, conduct):
        yield (
            f"notices given: {count(conduct.notices_given)}, but no engine of the run had any: "
            "raise --notice, or see the driver's log"
        )


def _unsaved(schedule: Schedule, conduct: Conduct, accounting: Accounting | None) -> Iterator[str]:
    """Engines that were lost with work although their nodes lived to their deadlines."""
    if accounting is None:
        return
    cut_short = [one for one in _played(schedule, conduct) if not one.is_driver and not _full(one)]
    dies_early = sum(outage.notice_s > 0 for outage in cut_short)
    lost = max(accounting.losses_under_notice - dies_early, accounting.losses - len(cut_short))
    if lost > 0 and _has_full_notice(schedule, conduct):
        yield (
            f"engines lost with work although their nodes had their full notice: {count(lost)}; "
            "raise --notice, or see the driver's log"
        )


def _has_full_notice(schedule: Schedule, conduct: Conduct) -> bool:
    """Whether a node was told and lived to its deadline; one that dies sooner may hear nothing."""
    return any(_full(outage) for outage in _played(schedule, conduct))


def _full(outage: Outage) -> bool:
    return outage.notice_s > 0 and outage.lives_s == outage.notice_s


def _played(schedule: Schedule, conduct: Conduct) -> list[Outage]:
    played = Counter[Outage](schedule.outages) - Counter(conduct.outages_left)
    return list(played.elements())
