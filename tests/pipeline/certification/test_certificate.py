"""Certificates survive JSON unchanged, and nothing else passes for one."""

from __future__ import annotations

import dataclasses
import json
import math
from typing import Any

import numpy as np
import pytest

from pipeline.certification.certificate import Certificate, certificate_of, read_certificate
from pipeline.certification.planner import plan_route
from pipeline.certification.route_errors import CertificateError
from pipeline.certification.scoring import FEATURES
from tests.pipeline.sample_builders import Skill, drawn, terms

TIERS = ("small", "large")


def certificate(error: float = 0.4, count: int = 2000, cost: float = 0.4) -> Certificate:
    skills = [Skill(error=error, cost=cost), Skill(error=0.0, cost=1.0)]
    labelled = drawn(skills, count, has_topics=True)
    asked = terms()
    return certificate_of(
        plan_route(TIERS, labelled, asked),
        asked,
        tiers=TIERS,
        signals=FEATURES,
        cost_unit="usd",
        data_digest="ab" * 32,
        task_digest="task",
        gleaner_version="0.1.0",
        created_unix_s=1.7e9,
    )


def changed(change: dict[str, Any]) -> bytes:
    value = json.loads(certificate(0.2, 300).to_bytes())
    return json.dumps(value | change).encode()


def test_a_cascade_with_its_models_survives_json() -> None:
    made = certificate()
    assert made.decision.kind == "cascade"
    assert made.decision.skip_model is not None
    assert read_certificate(made.to_bytes(), name="c.json") == made


@pytest.mark.parametrize(("error", "count"), [(0.0005, 1500), (0.2, 100), (0.2, 10)])
def test_a_single_tier_and_a_refusal_survive_json_too(error: float, count: int) -> None:
    made = certificate(error, count)
    assert made.decision.kind == "single"
    assert read_certificate(made.to_bytes(), name="c.json") == made


def test_the_kept_answers_are_those_whose_score_reaches_the_threshold() -> None:
    made = certificate()
    features = np.zeros((3, len(FEATURES)))
    features[:, 0] = (-3.0, 0.0, 3.0)
    scores = made.scores(features)
    assert (np.diff(scores) > 0).all()
    assert list(made.accepts(features)) == [False, bool(scores[1] >= made.decision.threshold), True]


def test_a_refusal_accepts_nothing() -> None:
    made = certificate(0.2, 100)
    assert not made.keeps_some
    assert not made.accepts(np.zeros((2, len(FEATURES)))).any()
    with pytest.raises(CertificateError, match="keeps no answer"):
        made.scores(np.zeros((2, len(FEATURES))))


def test_a_threshold_that_keeps_every_usable_answer_is_readable_json() -> None:
    made = certificate(0.0005, 1500)
    assert made.decision.threshold == -math.inf
    assert json.loads(made.to_bytes())["decision"]["threshold"] == "-inf"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"{", "c.json is no JSON"),
        (b"[]", "no format_version"),
        (changed({"format_version": "1"}), "no format_version"),
        (changed({"format_version": 2}), "reads up to 1: upgrade Gleaner"),
        (changed({"loss": 3}), r"certificate.loss: 3 does not fit, expected str"),
        (changed({"documents": 1.5}), r"certificate.documents: 1.5 does not fit, expected int"),
        (changed({"documents": True}), r"certificate.documents: True does not fit"),
        (changed({"created_unix_s": float("nan")}), r"certificate.created_unix_s: nan"),
        (changed({"reference": "silver"}), r"certificate.reference: 'silver' does not fit"),
        (changed({"tiers": "small"}), r"certificate.tiers: 'small' does not fit"),
        (changed({"tiers": ["a", 1]}), r"certificate.tiers\[1\]: 1 does not fit"),
        (changed({"promise": {"within": 0.1}}), r"certificate.promise.confidence: is missing"),
        (changed({"decision": None}), r"certificate.decision: None does not fit, .* an object"),
        (changed({"shoe_size": 9}), r"certificate.shoe_size: is not known"),
    ],
)
def test_what_is_no_certificate_is_refused_by_field(data: bytes, message: str) -> None:
    with pytest.raises(CertificateError, match=message):
        read_certificate(data, name="c.json")


def test_every_field_is_written() -> None:
    value = json.loads(certificate(0.2, 100).to_bytes())
    names = {one.name for one in dataclasses.fields(Certificate)}
    assert set(value) == names | {"format_version"}
