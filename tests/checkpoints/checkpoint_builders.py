"""Small values for tests: a plan of a few shards, their rows, their result objects."""

from collections import Counter
from collections.abc import Iterable, Sequence

from checkpoints.plan import PlanHeader, Shard, Slice, read_shards, write_plan
from checkpoints.result import Receipt, ResultRow
from checkpoints.result_file import encode_shard, new_write_id
from checkpoints.run import RunRecord, fingerprint, open_run
from checkpoints.store import Store

FINGERPRINT = fingerprint({"task.prompt": "Summarise", "tiers[0].model": "tiny@1"})


def run_record(**changes: object) -> RunRecord:
    fields = {
        "run_id": "run-1",
        "name": "test",
        "fingerprint": FINGERPRINT,
        "spec": {"task": {"prompt": "Summarise"}},
        "output_uri": "memory://output",
        "created_unix_s": 1000.0,
    }
    return RunRecord(**{**fields, **changes})  # type: ignore[arg-type]


def one_slice(source: str = "a.jsonl", documents: int = 3, first_row: int = 0) -> Slice:
    return Slice(
        source=source,
        format="jsonl",
        start=first_row * 10,
        stop=(first_row + documents) * 10,
        first_row=first_row,
        documents=documents,
        size_bytes=documents * 10,
        version="etag-1",
        estimated_tokens=documents * 7,
    )


def planned(
    store: Store,
    shards: Iterable[Sequence[Slice]],
    duplicates: Iterable[tuple[int, int]] = (),
) -> tuple[PlanHeader, list[Shard]]:
    open_run(store, run_record())
    header = write_plan(store, shards, duplicates)
    return header, list(read_shards(store, header, range(header.shards)))


def rows_of(shard: Shard, *, result: str = "fine", bad: Iterable[int] = ()) -> list[ResultRow]:
    rows = []
    for one in shard.slices:
        for offset in range(one.documents):
            ordinal = len(rows)
            code = "duplicate_id" if ordinal in shard.duplicates else None
            if code is None and ordinal in bad:
                code = "empty_text"
            rows.append(
                row(shard.number, ordinal, one.source, one.first_row + offset, result, code)
            )
    return rows


def row(
    shard: int, ordinal: int, source: str, source_row: int, result: str, code: str | None = None
) -> ResultRow:
    return ResultRow(
        ordinal=ordinal,
        id=f"{shard}-{ordinal}",
        status="ok" if code is None else "error",
        result=result if code is None else None,
        error_code=code,
        error=None if code is None else "why",
        tier="small",
        finish_reason="stop",
        prompt_tokens=5,
        output_tokens=2,
        confidence=None,
        engine_s=0.1,
        cost_usd=0.01,
        fingerprint=FINGERPRINT.value,
        source=source,
        source_row=source_row,
    )


def receipt_of(shard: int, rows: Sequence[ResultRow], restored: int = 0) -> Receipt:
    ok = sum(one.status == "ok" for one in rows)
    return Receipt(
        shard=shard,
        documents=len(rows),
        ok=ok,
        error=len(rows) - ok,
        error_codes=dict(Counter(one.error_code for one in rows if one.status == "error")),
        prompt_tokens=sum(one.prompt_tokens for one in rows),
        output_tokens=sum(one.output_tokens for one in rows),
        generated=len(rows) - restored,
        restored=restored,
        cost_usd=0.25 * len(rows),
        committed_unix_s=2000.0,
    )


def result_object(shard: int, rows: Sequence[ResultRow], **changes: object) -> bytes:
    fields = {
        "fingerprint": FINGERPRINT.value,
        "write_id": new_write_id(),
        "receipt": receipt_of(shard, rows),
    }
    return encode_shard(shard, rows, **{**fields, **changes})  # type: ignore[arg-type]
