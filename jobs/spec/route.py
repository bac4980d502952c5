"""The `route` part: which tiers answer a document, and what a cascade of them has to keep."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PlainValidator, field_validator, model_validator

from jobs.spec.base import Count, Part, Slug, Text, YesNo, refusal, require
from jobs.spec.rules import RuleSpec

LOSSES = ("exact", "label", "fields", "document", "similarity")
DEFAULT_LOSS = {"label": "label", "json": "fields", "text": "similarity"}  # by type of output
_Fraction = Annotated[float, Field(strict=True, gt=0, lt=1)]


def _adapts(data: Mapping[str, Any]) -> bool:
    """Whether the policy looks for a cascade."""
    return data.get("policy") in ("cascade", "auto")


def _certificate(value: object) -> object:
    if value is None or (isinstance(value, str) and value) or isinstance(value, dict):
        return value
    raise refusal("should be the path of a certificate", "name the file, e.g. certificate.json")


class QualitySpec(Part):
    """What is promised: with this confidence, answers are at most so much worse on average."""

    within: _Fraction = 0.02
    """The largest mean loss over all documents of the job."""
    of: Literal["strong", "gold"] = "strong"
    """What the loss compares with: strong, the answers of the last tier; gold, the right answers
    in the input field `route.gold`: then the loss is how much more often the last tier is right."""
    confidence: _Fraction = 0.95
    """The probability, at least, with which the promise is kept."""


class SampleSpec(Part):
    """The documents that all tiers answer, drawn at random. They keep the last tier's answer."""

    documents: Count | None = None
    """How many. By default enough for the promise: ten times the labels that would do without any
    loss, ln(1 / (1 - confidence)) / within, and at most a fifth of all documents."""
    fit_share: _Fraction = 0.3
    """The share of them on which the score is fitted; the others certify the threshold."""


class AuditSpec(Part):
    """Documents after the sample that the last tier answers too, to notice drift."""

    share: Annotated[float, Field(strict=True, ge=0, le=1)] = 0.005
    """The share of documents, drawn at random. 0 audits nothing: drift goes unnoticed."""


class RouteSpec(Part):
    """How documents find their tier. A tier's name alone is short for {policy: single, tier:
    NAME}."""

    policy: Literal["single", "rules", "cascade", "auto"] = "single"
    """single: one tier answers everything. rules: the rules name the tier; the next stronger one
    follows where an answer is unusable (invalid, truncated or empty) or the document does not fit.
    cascade: tiers from cheap to strong, each answer kept or escalated by its score, as far as a
    test on this very job certifies `quality`; the run ends before it spends more where it cannot.
    auto: the cheapest of all that keep `quality`, be it one tier."""
    tier: Slug | None = None
    """The tier that does the work (policy single). None: the first."""
    rules: tuple[RuleSpec, ...] = ()
    """Where a document starts; the first rule that matches decides. With cascade and auto they let
    documents start later than at the first tier."""
    otherwise: Slug | None = Field(default=None, alias="else")
    """Where a document starts that no rule matches. None: at the first tier."""
    quality: QualitySpec | None = Field(
        default_factory=lambda data: QualitySpec() if _adapts(data) else None
    )
    """What is promised (policies cascade and auto)."""
    gold: Text | None = None
    """The field of the input with the right answer (quality.of: gold)."""
    loss: Text | None = None
    """How two answers are compared, from 0 (as good) to 1. exact: the same text. label: the same
    label. fields: the share of JSON fields that differ. document: 1 where any field differs.
    similarity: 1 less the similarity of the texts. module:function: your own, importable on every
    node; its name counts for a resume, its code does not. By default label for labels, fields for
    JSON, similarity for text."""
    certificate: Annotated[
        str | dict[str, Any] | None,
        PlainValidator(_certificate, json_schema_input_type=str | dict[str, Any] | None),
    ] = None
    """The certificate.json of an earlier run of this task, relative to the job file; it replaces
    the sample. Of other documents a certificate promises less than of its own, and it is refused
    where that is less than quality asks. A loaded job holds its content."""
    sample: SampleSpec | None = Field(
        default_factory=lambda data: (
            SampleSpec() if _adapts(data) and data.get("certificate") is None else None
        )
    )
    """The random sample (policies cascade and auto)."""
    audit: AuditSpec | None = Field(
        default_factory=lambda data: AuditSpec() if _adapts(data) else None
    )
    """The audit (policies cascade and auto)."""
    self_check: YesNo = False
    """Ask each tier for one more token: whether its answer is right. The prompt is computed
    once."""

    @field_validator("loss")
    @classmethod
    def _loss_is_known(cls, loss: str | None) -> str | None:
        module, colon, function = (loss or "").partition(":")
        names = [*module.split("."), function]
        require(
            loss is None
            or loss in LOSSES
            or (bool(colon) and all(n.isidentifier() for n in names)),
            "is no loss",
            f"use one of: {', '.join(LOSSES)}, or module:function",
        )
        return loss

    @model_validator(mode="after")
    def _fields_suit_the_policy(self) -> RouteSpec:
        require(
            self.tier is None or self.policy == "single",
            f"names a tier, but policy {self.policy} chooses among all",
            "remove tier, or write else: for documents without a rule",
        )
        is_single = self.policy == "single"
        require(
            not (is_single and (self.rules or self.otherwise)),
            "has rules, but policy single uses one tier",
            "set policy: rules, or remove them",
        )
        require(
            self.policy != "rules" or bool(self.rules),
            "has policy rules, but no rules",
            "add rules, or name a tier",
        )
        given = [rule.name for rule in self.rules if rule.name is not None]
        twice = sorted({name for name in given if given.count(name) > 1})
        require(not twice, f"names {', '.join(twice)} twice", "give each rule its own name")
        require(
            self.otherwise is None or bool(self.rules),
            "has an else, but no rules",
            "add rules, or remove else",
        )
        if not _adapts({"policy": self.policy}):
            names = ("quality", "gold", "loss", "certificate", "sample", "audit", "self_check")
            idle = [name for name in names if getattr(self, name)]
            require(
                not idle,
                f"{', '.join(idle)} counts with policy cascade or auto only, not {self.policy}",
                "change the policy, or remove it",
            )
        return self

    @model_validator(mode="after")
    def _a_promise_can_be_tested(self) -> RouteSpec:
        of_gold = self.quality is not None and self.quality.of == "gold"
        require(
            not of_gold or self.gold is not None,
            "promises quality of gold, but names no field with the right answers",
            "set gold: FIELD",
        )
        require(
            self.gold is None or of_gold,
            f"names gold ({self.gold}), but quality.of is strong",
            "set quality: {of: gold}, or remove gold",
        )
        require(
            self.certificate is None or self.sample is None,
            "has a certificate and a sample",
            "keep one of them",
        )
        return self

    @property
    def searches_a_cascade(self) -> bool:
        """Whether answers are scored, and kept or escalated by a certified threshold."""
        return _adapts({"policy": self.policy})


def _named_tier(value: object) -> object:
    if value is None:
        return {}
    return {"tier": value} if isinstance(value, str) else value


Route = Annotated[
    RouteSpec, BeforeValidator(_named_tier, json_schema_input_type=Slug | RouteSpec | None)
]
