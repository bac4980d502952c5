"""All that a report shows, read from a run's objects.

Boundary: reads the stores, without Ray, and writes nothing; whether the run still goes on while it
reads does not matter. What is not there yet is None or empty.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from checkpoints.plan import read_header
from checkpoints.steps import Tally
from checkpoints.store import Store
from checkpoints.verify import Verdict
from jobs.report.decision import stored_certificate
from jobs.report.history import History, read_history
from jobs.report.series import Clock
from jobs.status import RunStatus, read_status
from pipeline.certification.certificate import Certificate
from pipeline.certification.decision import Decision
from pipeline.engines.tiers import Tier
from pipeline.routing.route_terms import Quality


@dataclass(frozen=True, slots=True)
class TierWork:
    """What one tier did for the finished documents.

    `engine_s` are seconds of a whole engine, shared among the requests it holds at once; `cost` is
    in the report's unit.
    """

    name: str
    tally: Tally
    engine_s: float
    cost: float


@dataclass(frozen=True, slots=True)
class Report:
    """A run at one moment, and how it came there.

    Costs of tiers and of documents are in `cost_unit`: USD where a tier has a price, else seconds
    of an engine.
    """

    status: RunStatus
    made_unix_s: float
    history: History
    tiers: tuple[TierWork, ...]  # in the job's order; empty where only one could be asked
    cost_unit: str
    quality: Quality | None  # what the job promises of its cascade
    certificate: Certificate | None  # what the run has decided; None where it has not
    is_own_sample: bool  # whether that comes from documents of this run
    verdict: Verdict | None  # None: not verified for this report

    @property
    def state(self) -> str:
        """The run's state in one word."""
        return self.status.state(self.made_unix_s)

    @property
    def clock(self) -> Clock:
        """From the run's start to its last sign of life."""
        start_unix_s = self.status.created_unix_s
        ends = [start_unix_s, self.status.written_unix_s or start_unix_s]
        if len(self.history):
            ends.append(float(self.history.committed_unix_s[-1]))
        return Clock(start_unix_s, max(ends))

    @property
    def decision(self) -> Decision | None:
        """The run's decision about its route."""
        return None if self.certificate is None else self.certificate.decision

    @property
    def tier_documents(self) -> int:
        """Finished documents that a tier was asked about, each once."""
        return sum(work.tally.kept for work in self.tiers)


def read_report(
    output: Store,
    checkpoint: Store,
    place: str,
    *,
    tiers: Sequence[Tier],
    quality: Quality | None,
    now_unix_s: float,
    is_verified: bool = False,
) -> Report:
    """The run under `checkpoint`, `tiers` and `quality` as its job has them.

    With `is_verified` every result is read, to prove the run. Raises NoRunError where there is no
    run at `place`, CorruptObjectError, NewerFormatError, CertificateError.
    """
    from checkpoints.verify import verify

    status = read_status(checkpoint, place)
    header = read_header(checkpoint)
    tallies = {} if status.snapshot is None else status.snapshot.tiers
    is_priced = any(tier.placement.usd_per_hour > 0 for tier in tiers)
    known = {tier.name: tier for tier in tiers}
    certificate = stored_certificate(checkpoint)
    names = [*(name for name in known if name in tallies), *sorted(tallies.keys() - known.keys())]
    return Report(
        status=status,
        made_unix_s=now_unix_s,
        history=read_history(checkpoint, 0 if header is None else header.shards),
        tiers=tuple(tier_work(name, tallies[name], known.get(name), is_priced) for name in names),
        cost_unit="USD" if is_priced else "engine seconds",
        quality=quality,
        certificate=certificate,
        is_own_sample=certificate is not None
        and header is not None
        and certificate.data_digest == header.digest,
        verdict=verify(output, checkpoint) if is_verified and header is not None else None,
    )


def tier_work(name: str, tally: Tally, tier: Tier | None, is_priced: bool) -> TierWork:
    """A tier's sums; of one that the job has no more, seconds are those of its requests."""
    engine_s = tally.engine_s / (1 if tier is None else tier.in_flight_per_replica)
    return TierWork(name, tally, engine_s, tally.cost_usd if is_priced else engine_s)
