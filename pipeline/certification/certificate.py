"""A plan's decision with all that it stands on, as an object that outlives the run.

Boundary: value and JSON; where it is stored is its user's matter. Invariant: a certificate is read
exactly as it was written or not at all.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.certification.certify import Promise
from pipeline.certification.decision import Decision, Terms
from pipeline.certification.options import accepted
from pipeline.certification.route_errors import CertificateError
from pipeline.certification.sample import BoolArray, FloatArray, Reference
from pipeline.certification.strict_json import UnfitValueError, plain_value, read_value

FORMAT_VERSION = 1


@dataclass(frozen=True, slots=True)
class Certificate:
    """What was decided, for which job, from which data.

    `tiers` are all that were compared, cheap to strong, the last one the reference; `signals` name
    the features that the score is made of; `data_digest` is a SHA-256 of the labelled data,
    `task_digest` one of the task and the tiers with their models, empty where they are not known.
    """

    gleaner_version: str
    created_unix_s: float
    data_digest: str
    task_digest: str
    tiers: tuple[str, ...]
    signals: tuple[str, ...]
    promise: Promise
    reference: Reference
    loss: str
    documents: int
    cost_unit: str
    decision: Decision

    @property
    def keeps_some(self) -> bool:
        """Whether any answer below the reference is kept."""
        return self.decision.threshold is not None

    def scores(self, features: FloatArray) -> FloatArray:
        """Of the first tier's answers, from features (n, len(signals)); shape (n,).

        Raises CertificateError where the reference answers everything.
        """
        if self.decision.threshold is None:
            raise CertificateError("the certificate keeps no answer, so it has no score: see why")
        model = self.decision.score_model
        return np.asarray(features[:, 0] if model is None else model.score(features))

    def accepts(self, features: FloatArray) -> BoolArray:
        """Which answers are kept, of those that are usable; (n, len(signals)) in, (n,) out."""
        threshold = self.decision.threshold
        if threshold is None:
            return np.zeros(len(features), dtype=np.bool_)
        return accepted(self.scores(features), threshold)

    def to_bytes(self) -> bytes:
        """Its JSON, for people too."""
        value = {"format_version": FORMAT_VERSION, **plain_value(self)}
        return json.dumps(value, indent=2, allow_nan=False).encode() + b"\n"


def certificate_of(
    decision: Decision,
    terms: Terms,
    *,
    tiers: tuple[str, ...],
    signals: tuple[str, ...],
    cost_unit: str,
    data_digest: str,
    task_digest: str,
    gleaner_version: str,
    created_unix_s: float,
) -> Certificate:
    """The certificate of a decision made under `terms`."""
    return Certificate(
        gleaner_version=gleaner_version,
        created_unix_s=created_unix_s,
        data_digest=data_digest,
        task_digest=task_digest,
        tiers=tiers,
        signals=signals,
        promise=terms.promise,
        reference=terms.reference,
        loss=terms.loss,
        documents=terms.documents,
        cost_unit=cost_unit,
        decision=decision,
    )


def read_certificate(data: bytes, *, name: str) -> Certificate:
    """The certificate in `data`; CertificateError names the file, the field and the way out."""
    remedy = "give the file as `gleaner calibrate` or a run wrote it"
    try:
        found = json.loads(data)
    except ValueError as error:
        raise CertificateError(f"{name} is no JSON ({error}): {remedy}") from error
    version = found.pop("format_version", None) if isinstance(found, dict) else None
    if type(version) is not int or version < 1:
        raise CertificateError(f"{name} is no certificate, it has no format_version: {remedy}")
    if version > FORMAT_VERSION:
        raise CertificateError(
            f"{name} has format {version}, this Gleaner reads up to {FORMAT_VERSION}: upgrade "
            "Gleaner, or calibrate again with this one"
        )
    return certificate_of_json(found, name=name)


def certificate_of_json(found: Mapping[str, Any], *, name: str = "the certificate") -> Certificate:
    """The certificate that has these fields; CertificateError where none has."""
    fields = {key: value for key, value in found.items() if key != "format_version"}
    try:
        read: Certificate = read_value(Certificate, fields, place="certificate")
    except UnfitValueError as error:
        remedy = "give the file as `gleaner calibrate` or a run wrote it"
        raise CertificateError(f"{name}: {error}: {remedy}") from error
    return read
