"""A shard's result object: plain Parquet (zstd) that any reader opens, one row per document.

Invariant: an encoded shard has the ordinals 0..n-1 exactly once each, in order. The key-value
metadata carries the receipt, the run's fingerprint and a `write_id`, which makes the bytes unique
to their writer.
"""

import json
import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from checkpoints.encoding import canonical_json, storable
from checkpoints.errors import CorruptObjectError, NewerFormatError
from checkpoints.keys import result_key
from checkpoints.result import NO_REWORK, Confidence, Receipt, ResultRow, Rework
from checkpoints.steps import Step
from checkpoints.store import Store

FORMAT_VERSION = 3  # 2 had no steps, confidence in values or prefills, 1 no rework
_METADATA_KEY = b"gleaner"
_TAIL_BYTES = 64 * 1024

_COLUMNS: tuple[tuple[str, Any], ...] = (
    ("ordinal", pa.int64()),
    ("id", pa.string()),
    ("status", pa.string()),
    ("result", pa.string()),
    ("error_code", pa.string()),
    ("error", pa.string()),
    ("tier", pa.string()),
    ("finish_reason", pa.string()),
    ("prompt_tokens", pa.int64()),
    ("output_tokens", pa.int64()),
    ("engine_s", pa.float64()),
    ("cost_usd", pa.float64()),
    ("fingerprint", pa.string()),
    ("source", pa.string()),
    ("source_row", pa.int64()),
)
_CONFIDENCE: tuple[tuple[str, Any], ...] = (
    ("mean_logprob", pa.float64()),
    ("min_logprob", pa.float64()),
    ("p10_logprob", pa.float64()),
    ("top2_margin", pa.float64()),
    ("tokens", pa.int64()),
    ("value_mean_logprob", pa.float64()),
    ("value_min_logprob", pa.float64()),
    ("value_p10_logprob", pa.float64()),
    ("value_top2_margin", pa.float64()),
    ("value_tokens", pa.int64()),
    ("self_check", pa.float64()),
    ("fields", pa.map_(pa.string(), pa.float64())),
)
# One column, null for the many rows that no interruption touched.
_REWORK = pa.struct(
    [
        ("documents", pa.int64()),
        ("tokens", pa.int64()),
        ("engine_s", pa.float64()),
        ("gpu_s", pa.float64()),
        ("usd", pa.float64()),
        ("salvaged_tokens", pa.int64()),
        ("prefilled_again_tokens", pa.int64()),
    ]
)
# Null where only one tier could be asked.
_STEPS = pa.list_(
    pa.struct(
        [
            ("tier", pa.string()),
            ("is_kept", pa.bool_()),
            ("reason", pa.string()),
            ("prompt_tokens", pa.int64()),
            ("output_tokens", pa.int64()),
            ("engine_s", pa.float64()),
            ("share_s", pa.float64()),
            ("cost_usd", pa.float64()),
            ("score", pa.float64()),
            ("features", pa.list_(pa.float64())),
            ("answer", pa.string()),
            ("loss", pa.float64()),
        ]
    )
)
RESERVED_COLUMNS = frozenset(
    [name for name, _ in _COLUMNS]
    + [f"confidence_{name}" for name, _ in _CONFIDENCE]
    + ["rework", "steps"]
)


@dataclass(frozen=True, slots=True)
class ResultFooter:
    """What the end of a result object tells without its rows."""

    shard: int
    write_id: str
    fingerprint: str
    passthrough_names: tuple[str, ...]
    rows: int
    receipt: Receipt


def new_write_id() -> str:
    """A name for one write, unique among all writers."""
    return uuid.uuid4().hex


def encode_shard(
    shard: int,
    rows: Sequence[ResultRow],
    *,
    fingerprint: str,
    write_id: str,
    receipt: Receipt,
    passthrough_names: Sequence[str] = (),
) -> bytes:
    """The bytes of a shard's result object; rows may come in any order.

    Raises ValueError when the rows are not one per ordinal, the receipt does not add up, or a
    passthrough name is taken by a column of ours.
    """
    ordered = sorted(rows, key=lambda row: row.ordinal)
    _check(shard, ordered, receipt, passthrough_names)
    metadata = {
        "format_version": FORMAT_VERSION,
        "shard": shard,
        "write_id": write_id,
        "fingerprint": fingerprint,
        "passthrough": list(passthrough_names),
        "receipt": receipt.as_fields(),
    }
    names, arrays = _columns(ordered, passthrough_names)
    schema = pa.schema(
        [pa.field(name, array.type) for name, array in zip(names, arrays, strict=True)],
        metadata={_METADATA_KEY: canonical_json(metadata)},
    )
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_arrays(arrays, schema=schema), sink, compression="zstd")
    return bytes(sink.getvalue().to_pybytes())


def decode_rows(data: bytes) -> list[ResultRow]:
    """The rows of a result object, by ordinal; CorruptObjectError when they cannot be read."""
    try:
        table = pq.read_table(pa.BufferReader(data))
        names = _facts(table.schema.metadata, "this result object")["passthrough"]
        columns = {name: table.column(name).to_pylist() for name in table.column_names}
        passthrough = [tuple(zip(names, values, strict=True)) for values in
                       zip(*(columns[name] for name in names), strict=True)]  # fmt: skip
        if not names:
            passthrough = [()] * table.num_rows
        plain = [columns[name] for name, _ in _COLUMNS]
        confidence = _decode_confidence(columns)
        reworks = columns.get("rework", [None] * table.num_rows)
        rework = [NO_REWORK if one is None else Rework(**one) for one in reworks]
        ways = columns.get("steps", [None] * table.num_rows)
        steps = [tuple(Step.of_fields(step) for step in way or ()) for way in ways]
    except (pa.ArrowException, OSError, KeyError, TypeError, ValueError) as error:
        raise CorruptObjectError(f"a result object cannot be read: {error}") from error
    keys = [name for name, _ in _COLUMNS]
    return [
        ResultRow(
            **dict(zip(keys, values, strict=True)),
            confidence=sure,
            passthrough=extra,
            rework=again,
            steps=way,
        )
        for *values, sure, extra, again, way in zip(
            *plain, confidence, passthrough, rework, steps, strict=True
        )
    ]


def read_footer(store: Store, shard: int) -> ResultFooter:
    """A shard's footer, read from the end of its object (under `output`) only.

    Raises FileNotFoundError (not committed), CorruptObjectError, NewerFormatError.
    """
    key = result_key(shard)
    tail = store.read_tail(key, _TAIL_BYTES)
    needed_bytes = int.from_bytes(tail[-8:-4], "little") + 8
    if needed_bytes > len(tail) == _TAIL_BYTES:
        tail = store.read_tail(key, needed_bytes)
    return parse_footer(key, tail)


def read_receipt(store: Store, shard: int) -> Receipt:
    """A committed shard's receipt; errors as `read_footer`."""
    return read_footer(store, shard).receipt


def parse_footer(key: str, tail: bytes) -> ResultFooter:
    """The footer in the last bytes of a result object, or in the whole of it."""
    try:
        metadata = pq.read_metadata(pa.BufferReader(tail))
        facts = _facts(metadata.metadata, key)
        return ResultFooter(
            shard=int(facts["shard"]),
            write_id=str(facts["write_id"]),
            fingerprint=str(facts["fingerprint"]),
            passthrough_names=tuple(facts["passthrough"]),
            rows=int(metadata.num_rows),
            receipt=Receipt.of_fields(facts["receipt"]),
        )
    except (pa.ArrowException, OSError, KeyError, ValueError, TypeError) as error:
        raise CorruptObjectError(f"{key} is no readable result object: {error}") from error


def _facts(metadata: dict[bytes, bytes] | None, key: str) -> dict[str, Any]:
    raw = (metadata or {}).get(_METADATA_KEY)
    if raw is None:
        raise ValueError("it carries no Gleaner metadata")
    facts: dict[str, Any] = json.loads(raw)
    if facts["format_version"] > FORMAT_VERSION:
        raise NewerFormatError(
            f"{key} has format {facts['format_version']}, this Gleaner reads up to "
            f"{FORMAT_VERSION}: upgrade Gleaner"
        )
    return facts


def _check(
    shard: int, rows: Sequence[ResultRow], receipt: Receipt, passthrough_names: Sequence[str]
) -> None:
    wrong = [row.ordinal for position, row in enumerate(rows) if row.ordinal != position]
    if wrong:
        raise ValueError(
            f"shard {shard}: ordinals are not 0..{len(rows) - 1} once each: {wrong[0]}"
        )
    codes = Counter(row.error_code for row in rows if row.status == "error")
    facts = (receipt.shard, receipt.documents, receipt.ok, receipt.error, receipt.error_codes)
    if facts != (shard, len(rows), len(rows) - codes.total(), codes.total(), codes):
        raise ValueError(f"shard {shard}: the receipt does not match its {len(rows)} rows")
    taken = sorted(RESERVED_COLUMNS.intersection(passthrough_names))
    if taken or len(set(passthrough_names)) != len(passthrough_names):
        raise ValueError(
            f"passthrough {taken or list(passthrough_names)}: names are taken or repeated"
        )


def _columns(
    rows: Sequence[ResultRow], passthrough_names: Sequence[str]
) -> tuple[list[str], list[Any]]:
    names: list[str] = []
    arrays: list[Any] = []
    for name, kind in _COLUMNS:
        names.append(name)
        arrays.append(_array([getattr(row, name) for row in rows], kind))
    for name, kind in _CONFIDENCE:
        names.append(f"confidence_{name}")
        arrays.append(
            _array(
                [None if row.confidence is None else getattr(row.confidence, name) for row in rows],
                kind,
            )
        )
    names.append("rework")
    reworks = [None if row.rework == NO_REWORK else asdict(row.rework) for row in rows]
    arrays.append(pa.array(reworks, _REWORK))
    names.append("steps")
    ways = [[asdict(step) for step in row.steps] or None for row in rows]
    arrays.append(_array(ways, _STEPS))
    values = [dict(row.passthrough) for row in rows]
    for name in passthrough_names:
        names.append(name)
        arrays.append(_array([given.get(name) for given in values], pa.string()))
    return names, arrays


def _array(values: list[Any], kind: Any) -> Any:
    try:
        return pa.array(values, kind)
    except UnicodeEncodeError:
        return pa.array([None if one is None else _storable(one) for one in values], kind)


def _storable(value: Any) -> Any:
    """A text, or a map by texts, that a file can hold."""
    return storable(value) if isinstance(value, str) else [(storable(k), v) for k, v in value]


def _decode_confidence(columns: dict[str, list[Any]]) -> list[Confidence | None]:
    """Of each row, from the columns that are there: older files have fewer."""
    names = [name for name, _ in _CONFIDENCE if f"confidence_{name}" in columns]
    values = zip(*(columns[f"confidence_{name}"] for name in names), strict=True)
    found = (dict(zip(names, one, strict=True)) for one in values)
    return [None if one["tokens"] is None else Confidence.of_fields(one) for one in found]
