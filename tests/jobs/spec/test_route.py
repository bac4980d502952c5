"""The route of a job file: what it means when little is said, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from jobs.route_wiring import route_terms
from jobs.spec.file import parse_spec
from jobs.spec.route import LOSSES
from jobs.spec.yaml import write_yaml
from jobs.wiring import build_job, identity_of
from pipeline.certification import agreement
from pipeline.preparing.prompts import Prompt
from pipeline.routing.conditions import (
    Contains,
    FieldIs,
    FieldMatches,
    FieldMeasured,
    Matches,
    Measured,
    OneOf,
    Within,
)
from pipeline.routing.route_terms import ONE_TIER, CascadeTerms, Quality, SampleTerms
from tests.jobs.route_builders import JSON, LABELS, RULE, spec, text
from tests.jobs.spec_builders import problems


@pytest.mark.parametrize(
    ("route", "tiers"),
    [
        ("", "a"),
        ("b", "b"),
        ("{tier: c}", "c"),
        ("{policy: single, tier: b}", "b"),
        (f"{{policy: rules, rules: [{RULE}]}}", "abc"),
        (f"{{policy: rules, rules: [{RULE}], else: c}}", "bc"),
        (f"{{policy: rules, rules: [{RULE}], else: a}}", "abc"),
        (f"{{policy: cascade, rules: [{RULE}], else: c}}", "abc"),
        ("{policy: auto}", "abc"),
    ],
)
def test_a_route_uses_the_tiers_that_it_can_reach(route: str, tiers: str) -> None:
    job = build_job(spec(route))
    assert [tier.name for tier in job.tiers] == list(tiers)
    assert sorted(part for part in job.identity if part.endswith(".model")) == [
        f"tiers.{name}.model" for name in tiers
    ]


def test_one_tier_promises_nothing() -> None:
    assert route_terms(spec("b")) == ONE_TIER


@pytest.mark.parametrize("policy", ["cascade", "auto"])
def test_a_cascade_has_a_promise_a_sample_and_an_audit_unless_it_says_otherwise(
    policy: str,
) -> None:
    terms = route_terms(spec(f"{{policy: {policy}}}"))
    assert terms.policy == policy
    assert terms.cascade == CascadeTerms(
        quality=Quality(within=0.02, of="strong", confidence=0.95),
        loss="similarity",
        gold_field=None,
        sample=SampleTerms(documents=None, fit_share=0.3),
        audit_share=0.005,
        certificate=None,
        has_self_check=False,
    )


def test_what_a_cascade_says_reaches_the_pipeline() -> None:
    route = (
        "{policy: cascade, quality: {within: 0.1, of: gold, confidence: 0.9}, gold: right, "
        "loss: 'my.losses:worse', sample: {documents: 7, fit_share: 0.5}, audit: {share: 0}, "
        "self_check: true}"
    )
    terms = route_terms(spec(route))
    assert terms.gold_field == "right"
    assert terms.cascade == CascadeTerms(
        quality=Quality(within=0.1, of="gold", confidence=0.9),
        loss="my.losses:worse",
        gold_field="right",
        sample=SampleTerms(documents=7, fit_share=0.5),
        audit_share=0.0,
        certificate=None,
        has_self_check=True,
    )


@pytest.mark.parametrize(
    ("output", "loss"), [("{type: text}", "similarity"), (LABELS, "label"), (JSON, "fields")]
)
def test_answers_are_compared_by_what_they_are(output: str, loss: str) -> None:
    cascade = route_terms(spec("{policy: auto}", output=output)).cascade
    assert cascade is not None
    assert cascade.loss == loss


def test_a_certificate_is_read_once_and_replaces_the_sample(tmp_path: Path) -> None:
    (tmp_path / "certificate.json").write_text('{"threshold": 0.7}')
    loaded = spec("{policy: cascade, certificate: certificate.json}", folder=tmp_path)
    cascade = route_terms(loaded).cascade
    assert cascade is not None
    assert cascade.certificate == {"threshold": 0.7}
    assert cascade.sample is None
    (tmp_path / "certificate.json").write_text('{"threshold": 0.8}')
    other = spec("{policy: cascade, certificate: certificate.json}", folder=tmp_path)
    assert identity_of(other)["route.certificate"] != identity_of(loaded)["route.certificate"]


@pytest.mark.parametrize("content", [None, "no json", "[1]"])
def test_a_certificate_that_is_none_is_refused(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "c.json").write_text(content)
    [problem] = problems(text("{policy: auto, certificate: c.json}"), tmp_path)
    assert problem.startswith("route.certificate: ")
    assert "(c.json) - `gleaner calibrate` writes one" in problem


@pytest.mark.parametrize(
    "route",
    [
        "",
        "b",
        "{policy: auto}",
        "{policy: cascade, certificate: c.json, loss: exact}",
        f"{{policy: rules, rules: [{RULE}], else: c}}",
        "{policy: rules, rules: [{when: {field: {n: 1, m: [x, true], o: {below: 2, matches: a}}, "
        "layout: {digits: {above: 0.5}}, language: de, format: pdf, matches: x}, tier: b}]}",
    ],
)
def test_a_loaded_job_written_and_read_again_is_the_same(tmp_path: Path, route: str) -> None:
    (tmp_path / "c.json").write_text('{"threshold": 0.7, "note": null, "tiers": ["a", "b"]}')
    first = spec(route, folder=tmp_path)
    written = write_yaml(first.model_dump(mode="json", exclude_none=True))
    again = parse_spec(written, Path("/elsewhere"), {})
    assert json.loads(again.model_dump_json()) == json.loads(first.model_dump_json())
    assert route_terms(again) == route_terms(first)
    assert identity_of(again) == identity_of(first)


def test_conditions_reach_the_pipeline_with_the_cheap_ones_first() -> None:
    rule = (
        "{when: {language: [de, fr], layout: {lines: {above: 2}, digits: {below: 0.5}, "
        "table_lines: {above: 0.1}}, matches: 'a+', contains: urgent, characters: {above: 5}, "
        "tokens: {below: 9, above: 1}, field: {who: ACME, n: {above: 3, matches: '7'}, m: [1, b]}, "
        "format: [pdf, md]}, tier: c, name: all}"
    )
    terms = route_terms(spec(f"{{policy: rules, rules: [{rule}, {RULE}], else: b}}"))
    first, second = terms.rules.rules
    assert (first.name, first.tier) == ("all", "c")
    assert (second.name, second.tier, terms.rules.otherwise) == ("rule 2", "b", "b")
    assert first.when == (
        OneOf("format", ("pdf", "md")),
        FieldIs("who", ("ACME",)),
        FieldMeasured("n", Within(None, 3)),
        FieldMatches("n", "7"),
        FieldIs("m", (1, "b")),
        Measured("tokens", Within(9, 1)),
        Measured("characters", Within(None, 5)),
        Contains(("urgent",)),
        Matches("a+"),
        Measured("lines", Within(None, 2)),
        Measured("digits", Within(0.5, None)),
        Measured("table_lines", Within(None, 0.1)),
        OneOf("language", ("de", "fr")),
    )


def test_without_an_else_documents_start_at_the_first_tier() -> None:
    assert route_terms(spec(f"{{policy: auto, rules: [{RULE}]}}")).rules.otherwise == "a"


def test_a_tier_asks_its_own_prompt_and_answers_at_its_own_length() -> None:
    own = "{name: b, model: org/b, prompt: '{{ text }}!', system: Be quick., max_tokens: 5}"
    job = build_job(
        parse_spec(
            text("{policy: auto}").replace("{name: b, model: org/b}", own), Path("/jobs"), {}
        )
    )
    plain, quick, _ = job.tiers
    assert (plain.prompt, plain.generation.max_tokens) == (
        Prompt("Be brief.", "Read {{ text }}"),
        99,
    )
    assert (quick.prompt, quick.generation.max_tokens) == (Prompt("Be quick.", "{{ text }}!"), 5)
    named = {part for part in job.identity if part.startswith("tiers.b.")}
    assert {"tiers.b.prompt", "tiers.b.system", "tiers.b.max_tokens"} <= named
    assert "tiers.a.prompt" not in job.identity


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("below: 9", "below: 8", "route.rules"),
        ("else: b", "else: c", "route.else"),
        ("within: 0.1", "within: 0.2", "route.quality"),
        ("documents: 5", "documents: 6", "route.sample"),
        ("share: 0.1", "share: 0.2", "route.audit"),
        ("loss: exact", "loss: similarity", "route.loss"),
    ],
)
def test_another_route_is_other_work_and_named_by_its_field(old: str, new: str, named: str) -> None:
    route = (
        f"{{policy: auto, rules: [{RULE}], else: b, quality: {{within: 0.1}}, loss: exact, "
        "sample: {documents: 5}, audit: {share: 0.1}}"
    )
    before, after = identity_of(spec(route)), identity_of(spec(route.replace(old, new)))
    assert {part for part in before if before[part] != after[part]} == {named}


def test_the_losses_of_a_job_file_are_those_there_are() -> None:
    assert sorted(LOSSES) == sorted(agreement.LOSSES)


def test_to_refuse_or_to_go_on_without_a_cascade_is_the_same_work() -> None:
    """So that a run which refused its cascade goes on with its sample as policy auto."""
    made = [identity_of(spec(f"{{policy: {policy}}}")) for policy in ("cascade", "auto")]
    assert made[0] == made[1]
