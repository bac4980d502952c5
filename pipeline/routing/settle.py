"""How a run comes to its route: from its terms, a certificate, or a sample of its own documents.

Boundary: the order of things and what of them is durable; drawing is `sampling.py`'s, deciding
`planner.py`'s matter, and who answers the sample comes in as a callable.
Invariant: the draw and the decision are settled once for a run. A resume draws the same sample and
never decides again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version

import numpy as np

from checkpoints.encoding import Json, canonical_json, digest
from checkpoints.plan import PlanHeader, shard_documents
from checkpoints.route_log import keep_decision, keep_draw, read_decision, read_draw
from checkpoints.steps import Step
from checkpoints.store import Store
from pipeline.certification.certificate import Certificate, certificate_of, certificate_of_json
from pipeline.certification.certify import Promise
from pipeline.certification.decision import Terms
from pipeline.certification.planner import plan_route
from pipeline.certification.route_errors import (
    CertificateError,
    RouteRefusedError,
    UnusableSampleError,
)
from pipeline.certification.sample import Attempt, Labelled
from pipeline.certification.scoring import FEATURES, features, fit_score
from pipeline.certification.strict_json import plain_value
from pipeline.engines.tiers import Tier
from pipeline.job import Job
from pipeline.routing.route import Route, Trust
from pipeline.routing.route_terms import CascadeTerms, SampleTerms, sample_size
from pipeline.routing.sampling import Draw, Sampled, SampledDocument, SampledShard, locate, new_draw
from pipeline.stopping import Stop

AnswerSample = Callable[[Sampled], "list[SampledShard] | Stop"]
"""Has every tier answer the sampled documents; or the reason why that was stopped."""


@dataclass(frozen=True, slots=True)
class Settled:
    """The route of a run, before the audit has changed it, and where it comes from."""

    route: Route
    certificate: Certificate | None = None  # None where the job itself names the way
    audited: Promise | None = None  # what audits are held against


def settle(
    job: Job, header: PlanHeader, checkpoint: Store, answer_sample: AnswerSample
) -> Settled | Stop:
    """The route of this run, found now or by an earlier attempt.

    Raises:
        RouteRefusedError: policy `cascade`, and no cascade keeps its promise or pays.
        CertificateError: the certificate that the job names is of other tiers or signals.
        UnusableSampleError, LossFunctionError: the sample cannot be judged.
        CorruptObjectError, UnknownWriteError: what was settled cannot be read or written.
    """
    terms = job.route.cascade
    if terms is None:
        return Settled(Route(tuple(tier.name for tier in job.tiers)))
    known = read_decision(checkpoint)
    if known is None and terms.sample is None:
        given = certificate_of_json(terms.certificate or {}, name="route.certificate")
        check_given(given, job, terms)  # before anything is kept
        known = keep_decision(checkpoint, plain_value(given))
    elif known is None and terms.sample is not None:
        _is_priced(job.tiers)  # before anything is spent
        draw = _draw(checkpoint, header, terms, terms.sample)
        sampled = locate(draw, shard_documents(checkpoint, header))
        answered = answer_sample(sampled)
        if isinstance(answered, Stop):
            return answered
        made = decide_by(job, answered, sampled, header, terms, terms.sample)
        known = keep_decision(checkpoint, plain_value(made))
    assert known is not None
    found = _settled(known, job, terms, header)
    decision = found.certificate.decision if found.certificate else None
    if job.route.policy == "cascade" and decision and decision.kind != "cascade":
        raise RouteRefusedError(
            f"{decision.why}; use route.policy: auto to go on with what is best, or name one tier"
        )
    return found


def settled_before(job: Job, header: PlanHeader, checkpoint: Store) -> Settled | None:
    """The route that an earlier attempt has settled; None where none has. CorruptObjectError."""
    terms = job.route.cascade
    known = None if terms is None else read_decision(checkpoint)
    if terms is None or known is None:
        return None
    return _settled(known, job, terms, header)


def _settled(
    known: Mapping[str, Json], job: Job, terms: CascadeTerms, header: PlanHeader
) -> Settled:
    certificate = certificate_of_json(known)
    # Sampled documents lose nothing, so that the others have the whole promise to themselves.
    others = header.documents - (0 if terms.sample is None else certificate.decision.labels)
    within = terms.quality.within * header.documents / max(1, others)
    promise = Promise(min(within, 0.99), terms.quality.confidence)
    return Settled(route_of(certificate, job.tiers, terms), certificate, promise)


def decide_by(
    job: Job,
    answered: Sequence[SampledShard],
    sampled: Sampled,
    header: PlanHeader,
    terms: CascadeTerms,
    sample: SampleTerms,
) -> Certificate:
    """The planner's decision from the answers of the sample, in the order of the draw."""
    tiers, is_priced = job.tiers, _is_priced(job.tiers)
    by_place = {
        (shard.shard, one.row.ordinal): labelled(tiers, one, is_priced=is_priced)
        for shard in answered
        for one in shard.documents
    }
    places = zip(sampled.shards.tolist(), sampled.ordinals.tolist(), strict=True)
    names = tuple(tier.name for tier in tiers)
    answers = [by_place[place] for place in places]
    if terms.quality.of == "gold":  # the promise is about documents that have one
        answers = [one for one in answers if one.gold is not None]
    asked = Terms(
        promise=Promise(terms.quality.within, terms.quality.confidence),
        documents=header.documents,
        loss=terms.loss,
        reference=terms.quality.of,
        fit_share=sample.fit_share,
    )
    return certificate_of(
        plan_route(names, answers, asked),
        asked,
        tiers=names,
        signals=FEATURES,
        cost_unit="usd" if is_priced else "engine_s",
        data_digest=header.digest,
        task_digest=task_digest(job),
        gleaner_version=version("gleaner"),
        created_unix_s=time.time(),
    )


def _is_priced(tiers: Sequence[Tier]) -> bool:
    free = [tier.name for tier in tiers if not tier.placement.usd_per_hour]
    if free and len(free) < len(tiers):
        raise UnusableSampleError(
            f"tier {free[0]} has no usd_per_hour, others have one: give all tiers their price, or "
            "none, to compare them by engine seconds"
        )
    return not free


def labelled(tiers: Sequence[Tier], one: SampledDocument, *, is_priced: bool) -> Labelled:
    """A sampled document as the planner takes it; a tier that was not asked has no answer."""
    steps = {step.tier: step for step in one.row.steps}
    return Labelled(
        attempts=tuple(
            _attempt(tier, steps.get(tier.name), one.row.result, is_priced) for tier in tiers
        ),
        prompt_ids=one.prompt,
        gold=one.gold,
    )


def _attempt(tier: Tier, step: Step | None, result: str | None, is_priced: bool) -> Attempt:
    if step is None:
        return Attempt(None, features(None), 0.0)
    gpus = max(1.0, tier.placement.num_gpus)
    return Attempt(
        answer=result if step.is_kept else step.answer,
        features=features(None) if step.features is None else step.features,
        cost=step.cost_usd if is_priced else step.share_s * gpus,
    )


def route_of(certificate: Certificate, tiers: Sequence[Tier], terms: CascadeTerms) -> Route:
    """What documents outside the sample follow."""
    decision = certificate.decision
    order = tuple(tier.name for tier in tiers)
    if decision.threshold is None:
        return Route(decision.ladder, order)
    model = decision.score_model or fit_score(np.empty((0, len(FEATURES))), np.empty(0))
    return Route(
        # The reference stays, to audit what a pair of weaker tiers answers, and where they cannot.
        ladder=(*decision.ladder, *(() if order[-1] in decision.ladder else order[-1:])),
        order=order,
        trusts={decision.ladder[0]: Trust(model, decision.threshold)},
        audit_share=terms.audit_share,
        skip=decision.skip_model,
    )


def check_given(certificate: Certificate, job: Job, terms: CascadeTerms) -> None:
    """Whether a certificate from elsewhere holds for this job; CertificateError says why not."""
    promise, wanted = certificate.promise, terms.quality
    bound = certificate.decision.elsewhere_bound
    wrong = None
    if certificate.signals != FEATURES:
        wrong = f"is about the signals {', '.join(certificate.signals)}, not about those of a run"
    elif certificate.tiers != tuple(tier.name for tier in job.tiers):
        wrong = f"is for the tiers {', '.join(certificate.tiers)}"
    elif certificate.task_digest != task_digest(job):
        wrong = "is for another task, or for tiers with other models, prompts or limits"
    elif certificate.reference != wanted.of or certificate.loss != terms.loss:
        wrong = f"is about loss {certificate.loss} against {certificate.reference}"
    elif promise.confidence < wanted.confidence:
        wrong = f"holds with confidence {promise.confidence:g}"
    elif certificate.keeps_some and (bound is None or bound > wanted.within):
        wrong = (
            f"promises a loss within {promise.within:g} for the documents it was made of; for "
            f"others like them that is {1 if bound is None else bound:.3g}, and the job asks for "
            f"{wanted.within:g}"
        )
    if wrong is not None:
        raise CertificateError(
            f"route.certificate {wrong}: remove it and let the run draw a sample of its own"
        )


def task_digest(job: Job) -> str:
    """Of what is asked of which models; not of the documents."""
    parts = {
        name: value for name, value in job.identity.items() if name.startswith(("task.", "tiers."))
    }
    return digest(canonical_json(parts))


def _draw(checkpoint: Store, header: PlanHeader, terms: CascadeTerms, sample: SampleTerms) -> Draw:
    known = read_draw(checkpoint)
    if known is None:
        size = sample_size(sample, terms.quality, header.documents)
        known = keep_draw(checkpoint, new_draw(header.documents, size).as_json())
    return Draw.of_json(known)
