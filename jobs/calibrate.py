"""A certificate from a table of labelled answers: what the planner does, without a run.

Boundary: a table and the meaning of its columns in, a certificate and a curve out; prints nothing.
The rows must be a uniform random sample of the documents that the certificate is for.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from jobs.calibrate_table import Columns, read_table, sample_of_table
from pipeline.certification.certificate import Certificate, certificate_of
from pipeline.certification.certify import Promise, TestedCut
from pipeline.certification.decision import Terms
from pipeline.certification.options import Pair, accepted, document_costs
from pipeline.certification.planner import decide, split
from pipeline.certification.route_errors import UnusableSampleError
from pipeline.certification.sample import Sample
from pipeline.certification.savings import saving_of

MANY_DOCUMENTS = 1_000_000_000  # so many that the sample is no part of them worth counting
FIT_SHARE = 0.3
ROWS_FOR_CUTS = 100  # are enough to place cuts by, where nothing has to be fitted


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """One tested cut with its saving against the strong tier alone, a share of its cost.

    `saving` is None where the certificate keeps nothing.
    """

    cut: TestedCut
    saving: float | None


@dataclass(frozen=True, slots=True)
class Calibration:
    """The certificate, and cost against quality for every cut that was tested, strict first."""

    certificate: Certificate
    curve: tuple[CurvePoint, ...]


def calibrate(
    table: Any,
    columns: Columns,
    *,
    promise: Promise,
    documents: int = MANY_DOCUMENTS,
    seed: int = 0,
) -> Calibration:
    """Certify a cheap tier's answers against a strong one's.

    `table` is a pyarrow Table or the path of a Parquet, CSV or JSON Lines file, `documents` the
    size of the batch that its rows are a random sample of, themselves among them. The rows are
    shuffled by `seed`, so that their order means nothing. One signal is the score itself, and all
    rows certify but those that place the cuts; several are combined by a model that is fitted on
    30 % of the rows. Raises RouteError where the table does not hold what `columns` says.
    """
    read = read_table(Path(table)) if isinstance(table, str | Path) else table
    sample, digest = sample_of_table(read, columns)
    if documents < len(sample):
        raise UnusableSampleError(
            f"documents: {documents:,} are fewer than the {len(sample):,} rows of the table: give "
            "the size of the whole batch, of which the rows are a sample"
        )
    is_fitted = len(columns.confidence) > 1
    terms = Terms(
        promise=promise,
        documents=documents,
        loss=columns.loss_name,
        reference="strong" if columns.correct is None else "gold",
        fit_share=FIT_SHARE if is_fitted else _share_for_cuts(len(sample)),
        is_fitted=is_fitted,
    )
    shuffled = _shuffled(sample, seed)
    certificate = certificate_of(
        decide(shuffled, terms),
        terms,
        tiers=sample.tiers,
        signals=sample.signals,
        cost_unit="as in the table",
        data_digest=digest,
        task_digest="",
        gleaner_version=version("gleaner"),
        created_unix_s=time.time(),
    )
    _, rest = split(shuffled, terms)
    return Calibration(certificate, _curve(certificate, rest))


def _share_for_cuts(rows: int) -> float:
    return min(FIT_SHARE, ROWS_FOR_CUTS / rows) if rows else FIT_SHARE


def _shuffled(sample: Sample, seed: int) -> Sample:
    order = np.random.default_rng(seed).permutation(len(sample))
    return replace(
        sample,
        features=tuple(matrix[order] for matrix in sample.features),
        is_usable=sample.is_usable[order],
        losses=sample.losses[order],
        costs=sample.costs[order],
    )


def _curve(certificate: Certificate, rest: Sample) -> tuple[CurvePoint, ...]:
    decision = certificate.decision
    if decision.certification is None:
        return ()
    if decision.threshold is None:
        return tuple(CurvePoint(cut, None) for cut in decision.certification.cuts)
    scores = np.where(rest.is_usable[:, 0], certificate.scores(rest.features[0]), -np.inf)
    points = []
    for cut in decision.certification.cuts:
        costs = document_costs(rest, Pair(0, 1), accepted(scores, cut.threshold))
        points.append(CurvePoint(cut, saving_of(costs, rest.costs[:, 1]).share))
    return tuple(points)
