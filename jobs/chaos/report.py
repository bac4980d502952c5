"""What a rehearsal came to: the proof, the account, the verdict.

Boundary: pure; from what was done, what the objects prove and what the run counted. What speaks
against a rehearsal is the judgement's matter.
Invariant: a rehearsal has passed only when nothing speaks against it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

from rich.table import Table

from checkpoints.verify import Verdict
from infra.spot.schedule import Schedule
from jobs.chaos.accounting import Accounting
from jobs.chaos.judgement import problems_of
from jobs.chaos.timeline import Conduct
from jobs.wording.numbers import count, duration, usd

_NO_ACCOUNT = dict.fromkeys(field.name for field in fields(Accounting))


@dataclass(frozen=True, slots=True)
class Report:
    """One rehearsal, judged."""

    schedule: Schedule
    conduct: Conduct
    verdict: Verdict | None  # None: the run did not come as far as a plan
    accounting: Accounting | None  # None: it did not come as far as a manifest

    @property
    def problems(self) -> tuple[str, ...]:
        """Why it has not passed; empty when it has."""
        return problems_of(self.schedule, self.conduct, self.verdict, self.accounting)

    @property
    def has_passed(self) -> bool:
        """Whether all of it was played, nothing was lost and nothing is there twice."""
        return not self.problems

    def fields(self) -> dict[str, Any]:
        """For programs: one flat object."""
        verdict, conduct = self.verdict, asdict(self.conduct)
        conduct["outages_left"] = [str(outage) for outage in self.conduct.outages_left]
        return {
            "event": "result",
            "schedule": self.schedule.name,
            "nodes": self.schedule.nodes,
            "outages": len(self.schedule.outages),
            "documents": verdict.documents if verdict else None,
            "ok": verdict.ok if verdict else None,
            "error": verdict.error if verdict else None,
            "missing": verdict.missing if verdict else None,
            "duplicate": verdict.duplicate if verdict else None,
            "extra": verdict.extra if verdict else None,
            "proven": self.has_passed,
            "problems": list(self.problems),
            **(asdict(self.accounting) if self.accounting else _NO_ACCOUNT),
            **conduct,
        }


def account_table(report: Report) -> Table:
    """What was done and what it cost, for people."""
    table = Table("what interruptions did", "", box=None)
    table.columns[1].justify = "right"
    conduct, its = report.conduct, report.accounting
    outages = len(report.schedule.outages)
    rows = {
        "outages played": f"{count(outages - len(conduct.outages_left))} of {count(outages)}",
        "notices given": count(conduct.notices_given),
        "nodes that left by themselves in time": count(conduct.nodes_left),
        "nodes killed or switched off": count(conduct.nodes_killed),
        "starts of the driver": count(conduct.driver_starts),
        "time": duration(conduct.wall_s),
        "of it until the first engine": duration(conduct.ready_s),
        "of it without any engine": duration(conduct.waited_s),
        "node seconds that were missing": count(conduct.node_s_lost),
    }
    if its is not None:
        rows |= {
            "engines that had notice": count(its.notices),
            "engines lost before they were empty": count(its.losses),
            "longest time from notice to empty": duration(its.longest_drain_s),
            "seconds of notices used for work": f"{its.notice_used_s:,.1f}",
            "documents finished under notice": count(its.finished_under_notice),
            "tokens finished under notice": count(its.tokens_under_notice),
            "documents handed back": count(its.handed_back),
            "tokens salvaged": count(its.salvaged_tokens),
            "tokens dropped": count(its.dropped_tokens),
            "documents begun anew, at most": count(its.redone_documents),
            "tokens generated again, at most": count(its.redone_tokens),
            "prompt tokens computed again": count(its.prefilled_again_tokens),
            "engine seconds spent twice, at most": f"{its.redone_engine_s:,.1f}",
            "GPU seconds spent twice, at most": f"{its.redone_gpu_s:,.1f}",
            "money spent twice, at most": usd(its.redone_usd),
            "engine seconds to start replacements": f"{its.restart_s:,.1f}",
            "money to start replacements": usd(its.restart_usd),
        }
    for name, value in rows.items():
        table.add_row(name, value)
    return table
