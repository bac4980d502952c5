"""Routes and score models for tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from checkpoints.result import Confidence
from pipeline.certification.certificate import Certificate
from pipeline.certification.certify import Certification, Promise, TestedCut
from pipeline.certification.decision import Decision
from pipeline.certification.savings import Saving
from pipeline.certification.scoring import FEATURES, ScoreModel
from pipeline.routing.route import Route, Trust

SURE = Confidence(-0.01, -0.05, -0.02, 0.98, 5)
UNSURE = Confidence(-2.0, -6.0, -4.0, 0.1, 5)


def score_model() -> ScoreModel:
    """The score is the mean probability of a token."""
    weights = tuple(float(name == "mean") for name in FEATURES)
    width = len(FEATURES)
    return ScoreModel("logistic", FEATURES, (0.0,) * width, (1.0,) * width, weights, 0.0)


def cascade(
    threshold: float = 0.5, audit_share: float = 0.0, *, is_sampling: bool = False
) -> Route:
    """small, then large."""
    trust = Trust(score_model(), threshold)
    return Route(
        ("small", "large"),
        trusts={"small": trust},
        audit_share=audit_share,
        is_sampling=is_sampling,
    )


def certificate(cuts: Sequence[float] = (0.8, 0.5), **changes: object) -> Certificate:
    """small->large at 0.5, certified for 2 % at 95 %."""
    tested = tuple(TestedCut(cut, 0.2, 0.001, 0.01, True) for cut in cuts)
    decision = Decision(
        kind="cascade",
        ladder=("small", "large"),
        threshold=0.5,
        score_model=score_model(),
        skip_model=None,
        certification=Certification(tested, len(tested) - 1, 1000),
        elsewhere_bound=0.02,
        candidates=1,
        labels=1400,
        certified_on=1000,
        saving=Saving(0.4, 1.0, 0.6, 0.55, 0.65),
        options=(),
        why="small->large saves 60 % of large alone",
    )
    made = Certificate(
        gleaner_version="0",
        created_unix_s=1000.0,
        data_digest="digest",
        task_digest="task",
        tiers=("small", "large"),
        signals=FEATURES,
        promise=Promise(0.02, 0.95),
        reference="strong",
        loss="label",
        documents=10_000,
        cost_unit="usd",
        decision=decision,
    )
    return replace(made, **changes)  # type: ignore[arg-type]
