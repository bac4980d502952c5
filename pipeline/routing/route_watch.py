"""Watches over a route while it is followed: what the audit says, and what that changes.

Boundary: audits come in as the shards that hold them are committed; the route goes out. Statistics
are `audit.py`'s matter.
Invariant: a change is durable before anybody follows it, and a route never gets more lenient.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from checkpoints.encoding import Json
from checkpoints.route_log import keep_revision, read_revisions
from checkpoints.steps import Audited
from checkpoints.store import Store
from pipeline.certification.audit import check
from pipeline.certification.certificate import Certificate
from pipeline.certification.certify import Promise
from pipeline.routing.route import Route
from pipeline.routing.route_standing import RouteChange, RouteStanding

HOLDS = "holds"


class RouteWatch:
    """The route of a run, from when it is settled."""

    def __init__(
        self,
        route: Route,
        certificate: Certificate | None,
        promise: Promise | None,
        checkpoint: Store,
        now_unix_s: Callable[[], float] = time.time,
    ) -> None:
        self.route = route
        self._certificate = certificate
        self._promise = promise
        self._checkpoint = checkpoint
        self._now_unix_s = now_unix_s
        self._seen = 0
        self._mean_loss: float | None = None
        self._changes: list[RouteChange] = []
        for revision in read_revisions(checkpoint):
            self._follow(revision)

    def note(self, audits: Sequence[Audited]) -> None:
        """All audits so far; judged when there are more than before.

        Raises:
            UnknownWriteError, ConnectionError, TimeoutError: a change cannot be made durable; it
            is found again with the next audits.
        """
        certificate = self._certificate
        promise = self._promise
        if certificate is None or promise is None or not self.route.trusts:
            return
        if len(audits) == self._seen:
            return
        certification = certificate.decision.certification
        scores = np.array([one.score for one in audits], dtype=np.float64)
        losses = np.array([one.loss for one in audits], dtype=np.float64)
        tier = self.route.ladder[0]
        threshold = self.route.trusts[tier].threshold
        verdict = check(
            scores,
            losses,
            threshold=threshold,
            promise=promise,
            cuts=[cut.threshold for cut in certification.cuts] if certification else [],
            lowest=-1.0 if certificate.reference == "gold" else 0.0,
        )
        if verdict.kind != HOLDS:
            stricter = math.inf if verdict.threshold is None else verdict.threshold
            change: Mapping[str, Json] = {
                "unix_s": self._now_unix_s(),
                "threshold": str(stricter),
                "sentence": verdict.sentence,
            }
            self._follow(keep_revision(self._checkpoint, self.route.revision + 1, change))
        self._seen, self._mean_loss = len(audits), verdict.mean_loss

    def standing(self) -> RouteStanding:
        """Where the route stands."""
        trust = self.route.trusts.get(self.route.ladder[0])
        return RouteStanding(
            ladder=self.route.ladder,
            why=None if self._certificate is None else self._certificate.decision.why,
            threshold=None if trust is None else _finite(trust.threshold),
            audited=self._seen,
            audit_loss=self._mean_loss,
            changes=tuple(self._changes),
        )

    def _follow(self, revision: Mapping[str, Json]) -> None:
        threshold, sentence = float(str(revision["threshold"])), str(revision["sentence"])
        self.route = self.route.tightened(threshold)
        self._changes.append(
            RouteChange(float(str(revision["unix_s"])), _finite(threshold), sentence)
        )


def _finite(threshold: float) -> float | None:
    return threshold if math.isfinite(threshold) else None
