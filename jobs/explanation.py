"""Why each document starts at its tier, without starting an engine.

Boundary: reads and tokenises documents as a run does, through the same code; writes nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from checkpoints.memory_store import MemoryStore
from checkpoints.plan import Shard, read_shards
from jobs.route_wiring import route_terms
from jobs.spec.job import JobSpec
from jobs.validation import check_job
from jobs.wiring import build_tier, input_source
from pipeline.documents import Document, InputSource
from pipeline.intake.listing import FileTable
from pipeline.intake.planning import plan_input
from pipeline.loaders.loading import load_documents
from pipeline.preparing.fitting import Fitted, fit_documents
from pipeline.preparing.prepare import facts_of, wanted_fields
from pipeline.preparing.read_shards import tokens_of
from pipeline.routing.rules import Checked, Rules, check, choose


@dataclass(frozen=True, slots=True)
class TriedRule:
    """How one rule came out for a document."""

    name: str
    tier: str
    checks: tuple[Checked, ...]

    @property
    def matches(self) -> bool:
        """Whether all of its conditions hold."""
        return all(one.holds for one in self.checks)


@dataclass(frozen=True, slots=True)
class Explanation:
    """Where one document starts, and why."""

    id: str
    source: str
    source_row: int
    facts: tuple[str, ...]  # those that the rules ask about
    start: str | None  # None: it is an error row
    rule: str | None  # None: no rule matches, or there are none
    reason: str  # of the start; of an error row, what is wrong with it
    misfits: Mapping[str, str]  # tier: why it does not fit
    tried: tuple[TriedRule, ...]  # up to the one that matches


def explain_documents(spec: JobSpec, *, limit: int | None) -> Iterator[Explanation]:
    """The first `limit` documents (None: all) in input order, explained; errors as `check_job`."""
    files = check_job(spec)
    most = spec.input.limit if limit is None else min(limit, spec.input.limit or limit)
    source = replace(input_source(spec), limit=most)
    rules = route_terms(spec).rules
    tiers = [tokens_of(build_tier(spec, tier)) for tier in spec.route_tiers]
    documents = _documents(files, source, wanted_fields(tiers, rules, None))
    for fitted in fit_documents(documents, tiers):
        yield _explained(fitted, source, rules, tiers[0].name)


def totals(explained: Iterable[Explanation]) -> dict[str, dict[str, int]]:
    """Documents by the tier at which they start, by rule, and by tier in which they do not fit."""
    starts, rules, misfits = Counter[str](), Counter[str](), Counter[str]()
    for one in explained:
        starts[one.start or "error"] += 1
        if one.start is not None:
            rules[one.rule or "no rule"] += 1
            misfits.update(one.misfits.keys())
    return {"start": dict(starts), "rule": dict(rules), "does_not_fit": dict(misfits)}


def _documents(
    files: FileTable, source: InputSource, wanted: frozenset[str] | None
) -> Iterator[Document]:
    store = MemoryStore()
    header = plan_input(files, source, store)
    for shard in sorted(read_shards(store, header, range(header.shards)), key=_place):
        yield from load_documents(shard, source, wanted)


def _place(shard: Shard) -> tuple[str, int]:
    first = shard.slices[0]
    return first.source, first.first_row


def _explained(fitted: Fitted, source: InputSource, rules: Rules, first_tier: str) -> Explanation:
    document, failure = fitted.document, fitted.failure
    explained = Explanation(
        id=document.id,
        source=document.source,
        source_row=document.source_row,
        facts=(),
        start=None if failure is not None else first_tier,
        rule=None,
        reason="the route has no rules" if failure is None else f"{failure.code}: {failure.reason}",
        misfits={tier: misfit.reason for tier, misfit in fitted.misfits.items()},
        tried=(),
    )
    facts = facts_of(fitted, source)
    chosen = None if failure is not None else choose(rules, facts)
    if chosen is None:
        return explained
    asked = (condition.seen(facts) for rule in rules.rules for condition in rule.when)
    names = [rule.name for rule in rules.rules]
    tried = rules.rules if chosen.rule is None else rules.rules[: names.index(chosen.rule) + 1]
    return replace(
        explained,
        facts=tuple(dict.fromkeys(asked)),
        start=chosen.tier,
        rule=chosen.rule,
        reason=chosen.reason,
        tried=tuple(TriedRule(rule.name, rule.tier, check(rule, facts)) for rule in tried),
    )
