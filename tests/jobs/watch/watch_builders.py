"""A run as a watcher sees it, at any second of its life."""

from __future__ import annotations

from dataclasses import replace

from jobs.status import RunStatus
from pipeline.fleet import EngineStanding
from pipeline.horizon import Left
from pipeline.interruptions import Interruption, Interruptions
from pipeline.progress import ErrorKind, Snapshot, State, starting

STARTED = 1_760_000_000.0
TOTAL = 12_000
PER_S = 10


def engine(**changes: object) -> EngineStanding:
    usual = EngineStanding(
        tier="small",
        node="10.0.3.17",
        market="spot",
        machine="g6.xlarge",
        zone="us-east-1a",
        documents=1_500,
        prompt_tokens=750_000,
        output_tokens=45_000,
        output_tokens_per_s=150.0,
        silent_s=1.0,
        has_notice=False,
        goes_by_unix_s=None,
    )
    return replace(usual, **changes)  # type: ignore[arg-type]


def snapshot(second: int, **changes: object) -> Snapshot:
    """After so many seconds of steady work at PER_S documents a second."""
    done = min(TOTAL, PER_S * second)
    is_over = done == TOTAL
    errors = done // 300
    usual = replace(
        starting(""),
        state=State.COMPLETED if is_over else State.IN_PROGRESS,
        run_id="3f2a9c",
        documents_total=TOTAL,
        documents_ok=done - errors,
        documents_error=errors,
        shards_total=40,
        shards_done=done // 300,
        prompt_tokens=500 * done,
        output_tokens=30 * done,
        prompt_tokens_per_s=500.0 * PER_S,
        output_tokens_per_s=30.0 * PER_S,
        documents_per_s=float(PER_S + 2 * (second // 60 % 3)),
        elapsed_s=float(second),
        eta_s=None if is_over else (TOTAL - done) / PER_S,
        left=None if is_over else Left(0.9 * (TOTAL - done) / PER_S, 1.2 * (TOTAL - done) / PER_S),
        cost_usd=second * 1.42 / 3600,
        engines_ready=2,
        engines_wanted=2,
        first_errors=(
            ErrorKind("too_long", errors, "doc-7", "9000 tokens fit not into 4096 <b>bold</b>"),
        )
        if errors
        else (),
        message=None,
        fleet=(
            engine(),
            engine(node="10.0.4.2", has_notice=True, goes_by_unix_s=STARTED + second + 90),
        ),
        interruptions=Interruptions(
            notices=1,
            events=(Interruption("e", "0123456789", "small", 1.0, STARTED + second + 90),),
        ),
    )
    return replace(usual, **changes)  # type: ignore[arg-type]


def status(second: int, **changes: object) -> RunStatus:
    """What the objects of that run say then."""
    usual = RunStatus(
        run_id="3f2a9c",
        name="invoices <October>",
        created_unix_s=STARTED,
        output_uri="s3://bucket/out",
        snapshot=snapshot(second),
        written_unix_s=STARTED + second,
        has_cancel_request=False,
    )
    return replace(usual, **changes)  # type: ignore[arg-type]
