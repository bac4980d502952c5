"""One shard made ready for the engines: load, render, tokenise, check lengths, choose the start."""

from collections.abc import Sequence, Set

from checkpoints.plan import Shard
from pipeline.documents import InputSource, Prepared, text_or_none
from pipeline.loaders.loading import load_documents
from pipeline.loaders.registry import format_of
from pipeline.preparing.fitting import Fitted, fit_documents
from pipeline.preparing.tokens import TierTokens
from pipeline.routing.facts import Facts
from pipeline.routing.rules import NO_RULES, Rules, choose


def prepare_shard(
    shard: Shard,
    source: InputSource,
    tiers: Sequence[TierTokens],
    *,
    rules: Rules = NO_RULES,
    gold_field: str | None = None,
    only: Set[int] | None = None,
) -> list[Prepared]:
    """One Prepared per document of the shard, or of these ordinals, in order.

    A tier in which a document does not fit is missing from its prompts; when it fits none, or is
    bad in another way, it carries a failure. Raises InputChangedError, InputAccessError and
    InputUnavailableError only.
    """
    wanted = wanted_fields(tiers, rules, gold_field)
    documents = load_documents(shard, source, wanted)
    if only is not None:
        documents = (one for one in documents if one.ordinal in only)
    return [_prepared(one, source, rules, gold_field) for one in fit_documents(documents, tiers)]


def wanted_fields(
    tiers: Sequence[TierTokens], rules: Rules, gold_field: str | None
) -> frozenset[str] | None:
    """The fields that prompts, rules and the gold answer are made of; None: all there are."""
    variables = frozenset[str]().union(*(tier.prompt.variables() for tier in tiers))
    if "fields" in variables:
        return None
    return variables | rules.fields | (set() if gold_field is None else {gold_field})


def facts_of(fitted: Fitted, source: InputSource) -> Facts:
    """What rules can ask about a document."""
    document = fitted.document
    kind = format_of(document.source, source.format)
    return Facts(document, format=kind, tokens=fitted.tokens)


def _prepared(
    fitted: Fitted, source: InputSource, rules: Rules, gold_field: str | None
) -> Prepared:
    document = fitted.document
    chosen = None if fitted.failure is not None else choose(rules, facts_of(fitted, source))
    gold = None if gold_field is None else text_or_none(document.fields.get(gold_field))
    return Prepared(
        document.ordinal,
        document.id,
        document.source,
        document.source_row,
        document.passthrough,
        fitted.prompts,
        fitted.failure,
        start=None if chosen is None else chosen.tier,
        rule=None if chosen is None else chosen.rule,
        gold=gold,
    )
