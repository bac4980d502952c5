"""What a job demands of its route: policy, rules, and what a cascade has to keep.

Boundary: values, made from a job spec by `jobs/route_wiring.py`, and the size of a sample that
follows from them; which tiers there are is `Job.tiers`' matter.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from checkpoints.encoding import Json
from pipeline.routing.rules import NO_RULES, Rules

Policy: TypeAlias = Literal["single", "rules", "cascade", "auto"]

MOST_SAMPLED = 0.2  # of all documents: every one of them costs an answer of every tier
_LABELS_PER_TEST = 10  # times what the test needs when no sampled answer is worse


@dataclass(frozen=True, slots=True)
class Quality:
    """With this confidence, the mean loss over all documents is at most `within`."""

    within: float  # in (0, 1)
    of: Literal["strong", "gold"]  # what an answer is compared with
    confidence: float  # in (0, 1)


@dataclass(frozen=True, slots=True)
class SampleTerms:
    """The documents that all tiers answer."""

    documents: int | None  # None: as sample_size says
    fit_share: float  # in (0, 1): what the score is fitted on; the rest certifies


@dataclass(frozen=True, slots=True)
class CascadeTerms:
    """What policies `cascade` and `auto` promise, and how they find out."""

    quality: Quality
    loss: str  # a name, or "module:function"
    gold_field: str | None  # set exactly when quality.of is "gold"
    sample: SampleTerms | None  # None: the certificate replaces it
    audit_share: float  # of the documents after the sample; 0: no audit
    certificate: Mapping[str, Json] | None  # of an earlier run or a calibration
    has_self_check: bool


@dataclass(frozen=True, slots=True)
class RouteTerms:
    """The route of a job."""

    policy: Policy = "single"
    rules: Rules = NO_RULES
    cascade: CascadeTerms | None = None  # set exactly with the policies cascade and auto

    @property
    def gold_field(self) -> str | None:
        """The input field with the right answer, if answers are compared with one."""
        return None if self.cascade is None else self.cascade.gold_field


ONE_TIER = RouteTerms()


def sample_size(sample: SampleTerms, quality: Quality, documents: int) -> int:
    """How many of `documents` all tiers answer.

    With no worse answer in the sample, n labels show a mean loss below w at confidence 1 - d when
    n >= ln(1/d) / w (from (1 - w)^n <= d). Ten times that leaves room for the losses that there
    are; the part that fits the score comes on top, and all is at most a fifth of the documents.
    """
    if sample.documents is not None:
        return min(sample.documents, documents)
    certifying = _LABELS_PER_TEST * -math.log(1 - quality.confidence) / quality.within
    return min(math.ceil(certifying / (1 - sample.fit_share)), math.ceil(MOST_SAMPLED * documents))
