"""A run settles its route once, from its own documents, and no crash makes it settle again."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from checkpoints.memory_store import MemoryStore
from checkpoints.plan import PlanHeader
from checkpoints.result import Confidence
from checkpoints.route_log import read_decision
from checkpoints.steps import Step
from pipeline.certification.certify import Promise
from pipeline.certification.route_errors import (
    CertificateError,
    RouteRefusedError,
    UnusableSampleError,
)
from pipeline.certification.scoring import features
from pipeline.job import Job
from pipeline.progress import State
from pipeline.routing.route import Route
from pipeline.routing.route_terms import CascadeTerms, Quality, RouteTerms, SampleTerms
from pipeline.routing.sampling import Sampled, SampledDocument, SampledShard
from pipeline.routing.settle import Settled, settle, task_digest
from pipeline.stopping import Stop
from tests.pipeline.engine_builders import plan, row, tier
from tests.pipeline.route_builders import certificate
from tests.pipeline.test_driver import JOB

SIZES = [1000] * 10
TERMS = CascadeTerms(
    quality=Quality(0.05, "strong", 0.9),
    loss="label",
    gold_field=None,
    sample=SampleTerms(1000, 0.3),
    audit_share=0.01,
    certificate=None,
    has_self_check=False,
)


def job(policy: str = "auto", **changes: object) -> Job:
    terms = replace(TERMS, **changes)  # type: ignore[arg-type]
    tiers = tuple(
        tier(name, placement=replace(tier().placement, usd_per_hour=price))
        for name, price in (("small", 1.0), ("large", 10.0))
    )
    return replace(JOB, tiers=tiers, route=RouteTerms(policy, cascade=terms))  # type: ignore[arg-type]


@dataclass
class Model:
    """Answers a sample; small is wrong where its document is hard, and mostly knows it."""

    share_hard: float = 0.2
    small_usd: float = 0.01
    asked: list[Sampled] = field(default_factory=list)
    stops: bool = False

    def __call__(self, sampled: Sampled) -> list[SampledShard] | Stop:
        self.asked.append(sampled)
        if self.stops:
            return Stop(State.CANCELLED, "stopped")
        return [
            SampledShard(
                shard,
                tuple(self.document(shard, n) for n in sorted(sampled.of_shard(shard))),
            )
            for shard in sampled.numbers().tolist()
        ]

    def document(self, shard: int, ordinal: int) -> SampledDocument:
        rng = np.random.default_rng([shard, ordinal])
        is_hard = rng.random() < self.share_hard
        unsure = float(rng.normal(2.5 if is_hard else 0.5, 0.4))
        sure = Confidence(-abs(unsure), -abs(unsure), -abs(unsure), 0.5, 10)
        steps = (
            Step(
                "small",
                False,
                "sampled",
                cost_usd=self.small_usd,
                features=features(sure),
                answer="no" if is_hard else "yes",
            ),
            Step("large", True, "last", cost_usd=0.1, features=features(sure)),
        )
        return SampledDocument(row(ordinal, result="yes", steps=steps), (1, 2, 3), None)


def planned() -> tuple[MemoryStore, PlanHeader]:
    store = MemoryStore()
    return store, plan(store, SIZES)


def settled(its: Job, model: Callable[[Sampled], list[SampledShard] | Stop]) -> Settled:
    store, header = planned()
    found = settle(its, header, store, model)
    assert isinstance(found, Settled)
    return found


def test_a_cascade_that_pays_is_found_and_certified() -> None:
    found = settled(job(), Model())
    assert found.certificate is not None
    assert found.route.ladder == ("small", "large")
    assert found.certificate.decision.kind == "cascade"
    assert math.isfinite(found.route.trusts["small"].threshold)
    assert found.route.audit_share == 0.01
    assert "saves" in found.certificate.decision.why


def test_a_cheap_tier_that_is_good_enough_keeps_all_it_can_use() -> None:
    found = settled(job(), Model(share_hard=0.0))
    assert found.route.trusts["small"].threshold == -math.inf


def test_a_sample_of_all_documents_leaves_nothing_to_plan() -> None:
    found = settled(job(sample=SampleTerms(10_000, 0.3)), Model())
    assert found.route.ladder == ("large",)
    assert found.certificate is not None
    assert "nothing is left to save" in found.certificate.decision.why


def test_a_tier_that_is_dear_and_bad_is_left_out() -> None:
    found = settled(job(), Model(share_hard=0.6, small_usd=0.08))
    assert found.route == Route(("large",), ("small", "large"))


def test_a_job_that_insists_on_a_cascade_is_refused_before_it_spends_more() -> None:
    with pytest.raises(RouteRefusedError, match=r"route\.policy: auto"):
        settled(job("cascade"), Model(share_hard=0.6, small_usd=0.08))


def test_a_resume_draws_the_same_sample_and_decides_no_more() -> None:
    store, header = planned()
    first = Model(stops=True)
    assert isinstance(settle(job(), header, store, first), Stop)
    second = Model()
    made = settle(job(), header, store, second)
    assert first.asked[0].ordinals.tolist() == second.asked[0].ordinals.tolist()
    third = Model(share_hard=0.9)
    assert settle(job(), header, store, third) == made
    assert third.asked == []


def test_a_document_that_killed_engines_has_no_answer_of_the_other_tiers() -> None:
    class Deadly(Model):
        def document(self, shard: int, ordinal: int) -> SampledDocument:
            one = super().document(shard, ordinal)
            if ordinal % 50:
                return one
            died = Step("small", False, "engine_crash")
            dead = replace(one.row, result=None, status="error", steps=(died,))
            return replace(one, row=dead)

    assert settled(job(), Deadly()).route.ladder == ("small", "large")


def test_documents_that_a_rule_starts_later_count_as_escalated_and_cost_nothing_before() -> None:
    class Late(Model):
        def document(self, shard: int, ordinal: int) -> SampledDocument:
            one = super().document(shard, ordinal)
            if ordinal % 2:
                return one
            return replace(one, row=replace(one.row, steps=one.row.steps[1:]))

    whole, late = settled(job(), Model()).certificate, settled(job(), Late()).certificate
    assert whole is not None
    assert late is not None
    assert late.decision.ladder == ("small", "large")
    assert late.decision.cut is not None
    assert late.decision.cut.escalated >= 0.5
    assert late.decision.saving.share < whole.decision.saving.share


def test_a_sampled_document_without_gold_is_left_out_where_answers_are_held_against_gold() -> None:
    class Golden(Model):
        def document(self, shard: int, ordinal: int) -> SampledDocument:
            one = super().document(shard, ordinal)
            return replace(one, gold="yes" if ordinal % 5 else None)

    quality = Quality(0.05, "gold", 0.9)
    found = settled(job(quality=quality, gold_field="answer"), Golden()).certificate
    assert found is not None
    assert 700 < found.decision.labels < 900


@pytest.mark.parametrize("free", ["small", "large"])
def test_tiers_of_which_only_some_have_a_price_cannot_be_compared(free: str) -> None:
    its = job()
    tiers = tuple(
        replace(one, placement=replace(one.placement, usd_per_hour=0.0))
        if one.name == free
        else one
        for one in its.tiers
    )
    with pytest.raises(UnusableSampleError, match=f"tier {free} has no usd_per_hour"):
        settled(replace(its, tiers=tiers), Model())


def given(**changes: object) -> dict[str, object]:
    """A certificate as a job file hands it on."""
    made = certificate(**{"task_digest": task_digest(job()), **changes})
    found: dict[str, object] = json.loads(made.to_bytes())
    return found


def test_a_certificate_replaces_the_sample() -> None:
    model = Model()
    found = settled(job(sample=None, certificate=given()), model)
    assert model.asked == []
    assert found.certificate is not None
    assert found.route.trusts["small"].threshold == 0.5


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"tiers": ("small", "huge")}, "tiers small, huge"),
        ({"signals": ("mine",)}, "signals mine"),
        ({"loss": "exact"}, "loss exact"),
        ({"reference": "gold"}, "against gold"),
        ({"task_digest": "another"}, "another task"),
        ({"promise": Promise(0.02, 0.5)}, r"confidence 0\.5"),
    ],
)
def test_a_certificate_of_another_job_is_refused(changes: dict[str, object], words: str) -> None:
    with pytest.raises(CertificateError, match=words):
        settled(job(sample=None, certificate=given(**changes)), Model())


def test_a_certificate_promises_less_of_other_documents_than_of_its_own() -> None:
    """Those of its sample lost nothing, which another batch has not."""
    own = settled(job(), Model()).certificate
    assert own is not None
    assert own.decision.cut is not None
    assert own.decision.elsewhere_bound is not None
    assert own.decision.elsewhere_bound > own.decision.cut.bound
    strict = Quality(0.01, "strong", 0.9)
    with pytest.raises(CertificateError, match=r"for others like them that is 0\.02"):
        settled(job(sample=None, certificate=given(), quality=strict), Model())


def test_a_certificate_that_is_none_is_refused_and_not_kept() -> None:
    store, header = planned()
    with pytest.raises(CertificateError, match=r"route\.certificate"):
        settle(job(sample=None, certificate={"decision": 1}), header, store, Model())
    assert read_decision(store) is None


def test_a_route_that_the_job_names_needs_no_sample() -> None:
    model = Model()
    its = replace(job(), route=RouteTerms("single"))
    assert settled(its, model) == Settled(Route(("small", "large")))
    assert model.asked == []
