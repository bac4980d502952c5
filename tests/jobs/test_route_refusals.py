"""A route that cannot work is refused with field, value and remedy."""

from __future__ import annotations

import pytest

from tests.jobs.route_builders import RULE, text, when
from tests.jobs.spec_builders import problems

REFUSALS = {
    "no policy": (text("{policy: best}"), "route.policy: is not allowed (best) - use 'single',"),
    "an unknown field": (
        text("{polcy: auto}"),
        "route.polcy: is no field of a job (auto) - did you mean policy?",
    ),
    "an unknown tier": (text("{tier: d}"), "route.tier: names no tier (d) - use one of: a, b, c"),
    "a rule with an unknown tier": (
        text("{policy: rules, rules: [{when: {tokens: {below: 9}}, tier: bb}]}"),
        "route.rules[0].tier: names no tier (bb) - did you mean b?",
    ),
    "an else with an unknown tier": (
        text(f"{{policy: rules, rules: [{RULE}], else: cc}}"),
        "route.else: names no tier (cc) - did you mean c?",
    ),
    "a tier beside a policy that chooses": (
        text("{policy: auto, tier: b}"),
        "route: names a tier, but policy auto chooses among all - remove tier",
    ),
    "rules that nobody follows": (
        text(f"{{rules: [{RULE}]}}"),
        "route: has rules, but policy single uses one tier - set policy: rules",
    ),
    "rules without rules": (
        text("{policy: rules}"),
        "route: has policy rules, but no rules - add rules",
    ),
    "an else without rules": (
        text("{policy: auto, else: b}"),
        "route: has an else, but no rules - add rules, or remove else",
    ),
    "two rules of one name": (
        text(
            "{policy: rules, rules: [{when: {contains: x}, tier: b, name: n}, "
            "{when: {contains: y}, tier: c, name: n}]}"
        ),
        "route: names n twice - give each rule its own name",
    ),
    "a promise that nobody tests": (
        text(f"{{policy: rules, rules: [{RULE}], quality: {{within: 0.1}}, self_check: true}}"),
        "route: quality, self_check counts with policy cascade or auto only, not rules - change",
    ),
    "a cascade of one tier": (
        text("{policy: cascade}").replace(", {name: b, model: org/b}, {name: c, model: org/c}", ""),
        "route.policy: needs two tiers to choose from, but there is one (cascade) - add a tier",
    ),
    "a cascade that cannot judge": (
        text("{policy: auto}").replace("task: {", "task: {confidence: false, "),
        "task.confidence: is off, but policy auto accepts answers by their confidence",
    ),
    "a promise of everything": (
        text("{policy: auto, quality: {within: 1}}"),
        "route.quality.within: is too high (1) - use below 1",
    ),
    "certainty": (
        text("{policy: auto, quality: {confidence: 1.0}}"),
        "route.quality.confidence: is too high (1.0) - use below 1",
    ),
    "gold without a field": (
        text("{policy: auto, quality: {of: gold}}"),
        "route: promises quality of gold, but names no field with the right answers - set gold",
    ),
    "a gold field without use": (
        text("{policy: auto, gold: right}"),
        "route: names gold (right), but quality.of is strong - set quality: {of: gold}",
    ),
    "a certificate and a sample": (
        text("{policy: auto, certificate: c.json, sample: {documents: 9}}"),
        "route: has a certificate and a sample - keep one of them",
    ),
    "an unknown loss": (
        text("{policy: auto, loss: exakt}"),
        "route.loss: is no loss (exakt) - use one of: exact, label, fields, document, similarity",
    ),
    "a loss of other answers": (
        text("{policy: auto, loss: fields}"),
        "route.loss: compares answers of type json, but task.output is text (fields) - use exact",
    ),
    "no condition": (
        when("{}"),
        "route.rules[0].when: holds no condition - write one, or put the tier under route.else",
    ),
    "no bound": (
        when("{tokens: {}}"),
        "route.rules[0].when.tokens: names no bound - write {below: ...}",
    ),
    "bounds with nothing between": (
        when("{tokens: {above: 9, below: 9}}"),
        "route.rules[0].when.tokens: above (9.0) is not under below (9.0), so that nothing lies",
    ),
    "no language": (
        when("{language: [de, german]}"),
        "route.rules[0].when.language: cannot be recognised: german",
    ),
    "no format": (
        when("{format: docx}"),
        "route.rules[0].when.format[0]: is not allowed (docx) - use 'jsonl'",
    ),
    "no pattern": (
        when("{matches: '('}"),
        "route.rules[0].when.matches: is no regular expression: missing ): ( (() - correct it",
    ),
    "no pattern of a field": (
        when("{field: {who: {matches: '(?=x)'}}}"),
        "route.rules[0].when.field.who.matches: is no regular expression: ",
    ),
    "an unknown demand on a field": (
        when("{field: {year: {over: 3}}}"),
        "route.rules[0].when.field.year.over: is no field of a job (3) - did you mean above?",
    ),
    "no demand on a field": (
        when("{field: {year: {}}}"),
        "route.rules[0].when.field.year: demands nothing - write a value",
    ),
    "a field that is a mapping in a list": (
        when("{field: {year: [{a: 1}]}}"),
        "route.rules[0].when.field.year.is[0]: should be text, a number, true or false",
    ),
    "a route of the wrong kind": (
        text("3"),
        "route: should hold named fields (3) - indent its fields under it",
    ),
    "a tier's prompt without a document": (
        text("").replace("model: org/b", "model: org/b, prompt: Hello"),
        "tiers[1].prompt: uses no field of the document (Hello)",
    ),
    "a tier's answer that leaves no room": (
        text("").replace(
            "model: org/b",
            "model: org/b, max_tokens: 64, engine: {max_model_len: 64, max_num_seqs: 4}",
        ),
        "tiers[1].engine.max_model_len: leaves no room for a prompt beside its max_tokens (64)",
    ),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_a_route_that_cannot_work_is_refused(case: str) -> None:
    written, expected = REFUSALS[case]
    found = problems(written)
    assert len(found) == 1, found
    assert found[0].startswith(expected), found[0]
