"""What a plan is asked, and what it answers.

Boundary: values; planner.py makes them, certificate.py keeps them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from pipeline.certification.certify import Certification, Promise, TestedCut
from pipeline.certification.plan_table import Option
from pipeline.certification.sample import Reference
from pipeline.certification.savings import Saving
from pipeline.certification.scoring import ScoreModel
from pipeline.certification.skipping import SkipModel


@dataclass(frozen=True, slots=True)
class Terms:
    """What is promised, about how many documents, and how the sample is used."""

    promise: Promise
    documents: int  # of the whole job, the sample among them
    loss: str  # a name that agreement.py knows
    reference: Reference = "strong"
    fit_share: float = 0.3
    cuts: int = 20
    is_fitted: bool = True  # False: a tier's first feature is its score, and larger is surer
    may_skip: bool = True

    def allowed_loss(self, sampled: int) -> float:
        """The mean loss that the promise leaves to documents outside the sample.

        The `sampled` ones keep the reference's answer, so that the others share their part.
        """
        others = self.documents - sampled
        return self.promise.within * self.documents / others if others > 0 else math.inf


@dataclass(frozen=True, slots=True)
class Decision:
    """The way that the documents outside the sample take, and why.

    A cascade has two tiers and a threshold. A single tier is the reference alone, without a
    threshold, or a cheaper one whose every usable answer is kept: then the threshold is -inf, and
    the ladder also names the tier for documents without a usable answer. `candidates` is the number
    of pairs that shared the allowed error when `certification` was made; without a cascade it is
    that of the pair that came nearest, if any was tested.
    """

    kind: Literal["cascade", "single"]
    ladder: tuple[str, ...]
    threshold: float | None
    score_model: ScoreModel | None
    skip_model: SkipModel | None
    certification: Certification | None
    elsewhere_bound: float | None  # of the cut that is used, for another batch of such documents
    candidates: int
    labels: int  # the whole sample
    certified_on: int  # documents of it that certified
    saving: Saving  # expected, on the certification part
    options: tuple[Option, ...]
    why: str

    @property
    def cut(self) -> TestedCut | None:
        """The certified cut that is used; None where the reference answers everything."""
        if self.threshold is None or self.certification is None:
            return None
        return self.certification.certified
