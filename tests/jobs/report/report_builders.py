"""Stores of synthetic runs, as a driver would have left them: of any size, with and without a
route."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest

from checkpoints.memory_store import MemoryStore
from checkpoints.receipts import ReceiptLog
from checkpoints.result import NO_REWORK, Receipt, Rework
from checkpoints.route_log import keep_decision
from checkpoints.run import open_run
from checkpoints.steps import Audited, Tally, added
from jobs.report.data import Report, read_report
from pipeline.certification.certificate import Certificate
from pipeline.certification.certify import Certification, Promise, TestedCut
from pipeline.certification.decision import Decision
from pipeline.certification.plan_table import Option
from pipeline.certification.savings import Saving
from pipeline.certification.strict_json import plain_value
from pipeline.engines.tiers import Tier
from pipeline.interruptions import Interruption, Interruptions
from pipeline.progress import ErrorKind, Snapshot, State, starting
from pipeline.routing.route_standing import RouteChange, RouteStanding
from pipeline.routing.route_terms import Quality
from pipeline.status import save_status
from tests.checkpoints.checkpoint_builders import one_slice, planned, run_record
from tests.pipeline.engine_builders import tier

STARTED = 1_760_000_000.0
QUALITY = Quality(within=0.02, of="strong", confidence=0.95)
CUTS = ((0.99, 0.93), (0.96, 0.80), (0.93, 0.66), (0.90, 0.52), (0.86, 0.41), (0.80, 0.30))


@dataclass(frozen=True)
class Size:
    shards: int
    documents: int = 500  # of a shard
    every_s: float = 30.0  # from commit to commit


WHY = (
    "small->large saves 23 % of large alone at 0.8 % expected loss, certified <= 2.0 % with 95 % "
    "confidence on 1,400 documents"
)


def certificate(*, is_cascade: bool = True, **changes: Any) -> Certificate:
    """What a run decided about small and large; `changes` are of the decision."""
    cuts = []
    for place, (threshold, escalated) in enumerate(CUTS):
        loss = 0.0012 * place**1.6
        bound = loss + 0.006 + 0.0015 * place
        cuts.append(TestedCut(threshold, escalated, loss, bound, bound <= 0.02))
    chosen = max(place for place, cut in enumerate(cuts) if cut.is_certified)
    cut = cuts[chosen]
    cost = 0.2e-3 + cut.escalated * 1.1e-3
    pair = ("small", "large")
    decision = Decision(
        kind="cascade" if is_cascade else "single",
        ladder=pair if is_cascade else ("large",),
        threshold=cut.threshold if is_cascade else None,
        score_model=None,
        skip_model=None,
        certification=Certification(tuple(cuts), chosen, 1400),
        elsewhere_bound=0.02,
        candidates=1,
        labels=2000,
        certified_on=1400,
        saving=Saving(cost, 1.0e-3, 1 - cost / 1.0e-3, 0.19, 0.27),
        options=(
            Option(("small",), None, 0.0, 0.071, 0.2e-3, None, False, "judged as the pair"),
            Option(("large",), None, 0.0, 0.0, 1.0e-3, 0.0, True, "the reference"),
            Option(
                pair,
                cut.threshold,
                cut.escalated,
                cut.mean_loss,
                cost,
                cut.bound,
                True,
                "certified, costs 0.77 x it",
            ),
        ),
        why=WHY,
    )
    return Certificate(
        gleaner_version="0.1.0",
        created_unix_s=STARTED + 100,
        data_digest="",
        task_digest="task",
        tiers=pair,
        signals=(),
        promise=Promise(QUALITY.within, QUALITY.confidence),
        reference="strong",
        loss="exact",
        documents=60_000,
        cost_unit="usd",
        decision=replace(decision, **changes),
    )


def receipts(
    size: Size, *, is_routed: bool = False, start_unix_s: float = STARTED
) -> list[Receipt]:
    """One per shard, evenly committed, with an error in every fifth."""
    draw = random.Random(7)
    made = []
    for shard in range(size.shards):
        errors = int(shard % 5 == 0)
        tiers = tallies(size.documents - errors, shard / size.shards) if is_routed else {}
        audited = [Audited(0.9, float(draw.random() < 0.01)) for _ in range(size.documents // 50)]
        made.append(
            Receipt(
                shard=shard,
                documents=size.documents,
                ok=size.documents - errors,
                error=errors,
                error_codes={"empty_text": 1} if errors else {},
                prompt_tokens=size.documents * 700,
                output_tokens=size.documents * 60,
                generated=size.documents,
                restored=0,
                cost_usd=0.4,
                committed_unix_s=start_unix_s + 60 + size.every_s * (shard + 0.6 * draw.random()),
                tiers=tiers,
                audits=tuple(audited) if is_routed else (),
            )
        )
    return made


def tallies(documents: int, part: float) -> Mapping[str, Tally]:
    """So many documents of which about 44 % go on to large; of the first tenth, the sample, all."""
    if part < 0.1:
        reasons = {"sampled": documents}
    else:
        unsure = round(documents * (0.4 + 0.03 * (part > 0.6)))
        reasons = {"unsure": unsure, "schema_mismatch": documents // 40, "audited": 2}
    gone = sum(reasons.values())
    small = Tally(documents - gone, reasons, documents * 700, documents * 60, documents * 8.0, 0.08)
    large = Tally(gone, {}, gone * 700, gone * 55, gone * 40.0, 0.001 * gone)
    return {"small": small, "large": large}


def events(count: int, first_unix_s: float, every_s: float = 400.0) -> tuple[Interruption, ...]:
    """Engines that had notice and left; every fourth was lost."""
    made = []
    for place in range(count):
        noticed = first_unix_s + every_s * place
        is_lost = place % 4 == 3
        made.append(
            Interruption(
                engine=f"actor{place}",
                node="f" * 56,
                tier="small",
                noticed_unix_s=None if place % 8 == 7 else noticed,
                deadline_unix_s=noticed + 120,
                ended_unix_s=noticed + (130 if is_lost else 70),
                is_lost=is_lost,
                used_s=60.0,
                documents=90,
                output_tokens=5000,
                handed_back=20,
                salvaged_tokens=400,
            )
        )
    return tuple(made)


def snapshot(made: Sequence[Receipt], size: Size, state: State, **changes: Any) -> Snapshot:
    """Where a run with these receipts stands."""
    tiers: Mapping[str, Tally] = {}
    for receipt in made:
        tiers = added(tiers, receipt.tiers)
    errors = sum(receipt.error for receipt in made)
    kinds = (ErrorKind("empty_text", errors, "report-17.pdf", "the document holds no text"),)
    finished = replace(
        starting(""),
        state=state,
        run_id="run-1",
        documents_total=size.shards * size.documents,
        documents_ok=sum(receipt.ok for receipt in made),
        documents_error=errors,
        shards_total=size.shards,
        shards_done=len(made),
        prompt_tokens=sum(receipt.prompt_tokens for receipt in made),
        output_tokens=sum(receipt.output_tokens for receipt in made),
        elapsed_s=size.every_s * len(made) + 60,
        cost_usd=0.5 * len(made),
        engines_ready=2,
        engines_wanted=3,
        first_errors=kinds if errors else (),
        message=None,
        tiers=tiers,
    )
    return replace(finished, **changes)


def standing(*changes: RouteChange) -> RouteStanding:
    return RouteStanding(
        ladder=("small", "large"), why="it pays", threshold=0.9, audited=10, changes=changes
    )


def interruptions_of(found: tuple[Interruption, ...]) -> Interruptions:
    rework = Rework(32, 1150, 2.1, 2.1, 0.0004, 4100) if found else NO_REWORK
    return replace(Interruptions.of(found), rework=rework, restarted_documents=16)


def stored(
    made: Sequence[Receipt],
    status: Snapshot | None,
    size: Size,
    monkeypatch: pytest.MonkeyPatch,
    decided: Certificate | None = None,
) -> MemoryStore:
    """A checkpoint that holds these objects."""
    checkpoint = MemoryStore()
    open_run(checkpoint, run_record(name="invoices", created_unix_s=STARTED))
    header, _ = planned(checkpoint, [[one_slice(f"{shard}.jsonl")] for shard in range(size.shards)])
    log = ReceiptLog(checkpoint, token=1)
    for first in range(0, len(made), 400):
        log.append(made[first : first + 400])
    if status is not None:
        saved_unix_s = max((one.committed_unix_s for one in made), default=STARTED) + 5
        monkeypatch.setattr("pipeline.status.time.time", lambda: saved_unix_s)
        save_status(checkpoint, status)
    if decided is not None:
        keep_decision(checkpoint, plain_value(replace(decided, data_digest=header.digest)))
    return checkpoint


def priced(name: str, usd_per_hour: float) -> Tier:
    made = tier(name)
    return replace(made, placement=replace(made.placement, usd_per_hour=usd_per_hour))


def report_of(
    checkpoint: MemoryStore, *, now_unix_s: float | None = None, usd_per_hour: float = 1.0
) -> Report:
    """What a report would read there."""
    return read_report(
        MemoryStore(),
        checkpoint,
        "/checkpoint",
        tiers=[priced("small", usd_per_hour), priced("large", usd_per_hour)],
        quality=QUALITY,
        now_unix_s=STARTED + 10 if now_unix_s is None else now_unix_s,
    )


def routed_report(monkeypatch: pytest.MonkeyPatch, size: Size, **changes: Any) -> Report:
    """A completed run with a cascade, interruptions, errors and an audit that tightened it."""
    made = receipts(size, is_routed=True)
    change = RouteChange(
        STARTED + 0.7 * size.shards * size.every_s,
        0.95,
        "3.1 % mean loss in 120 audits where 2.0 % are promised",
    )
    status = snapshot(
        made,
        size,
        State.COMPLETED,
        route=standing(change),
        interruptions=interruptions_of(events(8, STARTED + 300, size.shards * size.every_s / 10)),
        **changes,
    )
    return report_of(stored(made, status, size, monkeypatch, certificate()))


def changed(receipt: Receipt, **changes: Any) -> Receipt:
    """The receipt with other fields."""
    return replace(receipt, **changes)
