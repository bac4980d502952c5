"""From the route of a job spec to what the pipeline runs with, and to what identifies it.

Boundary: pure; a loaded spec holds everything, also the content of a certificate.
"""

from __future__ import annotations

from collections.abc import Iterable

from checkpoints.encoding import Json
from jobs.spec.job import JobSpec
from jobs.spec.route import DEFAULT_LOSS
from jobs.spec.rules import FieldSpec, RuleSpec, WhenSpec, WithinSpec
from pipeline.routing.conditions import (
    Condition,
    Contains,
    FieldIs,
    FieldMatches,
    FieldMeasured,
    Matches,
    Measured,
    OneOf,
    Within,
)
from pipeline.routing.facts import Measure
from pipeline.routing.route_terms import CascadeTerms, Quality, RouteTerms, SampleTerms
from pipeline.routing.rules import NO_RULES, Rule, Rules


def route_terms(spec: JobSpec) -> RouteTerms:
    """The route as the pipeline takes it."""
    return RouteTerms(spec.route.policy, _rules(spec), _cascade(spec))


def route_identity(spec: JobSpec) -> dict[str, Json]:
    """What of the route changes results, by the field a person would look for."""
    if spec.route.policy == "single":
        return {"route": spec.chosen_tier.name}
    parts = spec.route.model_dump(mode="json", exclude={"tier"})
    if parts["policy"] == "auto":  # the same sample and decision; `cascade` only may refuse it
        parts["policy"] = "cascade"
    named: dict[str, Json] = {f"route.{name}": value for name, value in parts.items()}
    return {**named, "route": [tier.name for tier in spec.route_tiers]}


def _cascade(spec: JobSpec) -> CascadeTerms | None:
    route = spec.route
    if not route.searches_a_cascade or route.quality is None:
        return None
    sample = route.sample
    quality = Quality(route.quality.within, route.quality.of, route.quality.confidence)
    return CascadeTerms(
        quality=quality,
        loss=route.loss or DEFAULT_LOSS[spec.task.output.type],
        gold_field=route.gold,
        sample=None if sample is None else SampleTerms(sample.documents, sample.fit_share),
        audit_share=0.0 if route.audit is None else route.audit.share,
        certificate=route.certificate if isinstance(route.certificate, dict) else None,
        has_self_check=route.self_check,
    )


def _rules(spec: JobSpec) -> Rules:
    if not spec.route.rules:
        return NO_RULES
    return Rules(
        tuple(_rule(rule, place) for place, rule in enumerate(spec.route.rules, 1)),
        spec.route.otherwise or spec.tiers[0].name,
    )


def _rule(rule: RuleSpec, place: int) -> Rule:
    return Rule(rule.name or f"rule {place}", tuple(_conditions(rule.when)), rule.tier)


def _conditions(when: WhenSpec) -> Iterable[Condition]:
    """The conditions, cheap ones first."""
    if when.format:
        yield OneOf("format", when.format)
    for name, field in when.field.items():
        yield from _field_conditions(name, field)
    yield from _measured("tokens", when.tokens)
    yield from _measured("characters", when.characters)
    if when.contains:
        yield Contains(when.contains)
    if when.matches is not None:
        yield Matches(when.matches)
    if when.layout is not None:
        yield from _measured("lines", when.layout.lines)
        yield from _measured("digits", when.layout.digits)
        yield from _measured("table_lines", when.layout.table_lines)
    if when.language:
        yield OneOf("language", when.language)


def _measured(measure: Measure, bounds: WithinSpec | None) -> Iterable[Condition]:
    if bounds is not None:
        yield Measured(measure, Within(bounds.below, bounds.above))


def _field_conditions(name: str, field: FieldSpec) -> Iterable[Condition]:
    if field.values:
        yield FieldIs(name, field.values)
    if field.below is not None or field.above is not None:
        yield FieldMeasured(name, Within(field.below, field.above))
    if field.matches is not None:
        yield FieldMatches(name, field.matches)
