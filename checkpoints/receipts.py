"""Receipts: what committed shards amount to, in few objects, so that a resume need not read
results.

Invariant: receipts are an index of the result objects' footers and never a proof; a committed
shard that no receipt names is looked up in its footer.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import partial
from operator import itemgetter
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from checkpoints import keys
from checkpoints.commit import Outcome, create_once
from checkpoints.errors import CorruptObjectError, LostRaceError
from checkpoints.parallel import in_parallel
from checkpoints.plan import PlanHeader
from checkpoints.result import NO_REWORK, Receipt, Rework
from checkpoints.result_file import read_receipt
from checkpoints.steps import Audited, Tallies, added, tallies_of_fields
from checkpoints.store import Store

READERS = 16
NAMED = 20
_CODES = "error_codes"  # as JSON: next to all shards have one of a few values
_REWORK = "rework"  # as JSON: null for the many shards that no interruption touched
_TIERS, _AUDITS = "tiers", "audits"  # as JSON: null where only one tier could be asked
_AS_JSON = (_CODES, _REWORK, _TIERS, _AUDITS)
_TYPES = {"cost_usd": pa.float64(), "committed_unix_s": pa.float64()}
_TYPES |= dict.fromkeys(_AS_JSON, pa.string())
_SCHEMA = pa.schema(
    [pa.field(field.name, _TYPES.get(field.name, pa.int64())) for field in fields(Receipt)]
)
_NOT_SUMMED = ("shard", "committed_unix_s", *_AS_JSON)
_SUMMED = tuple(name for name in _SCHEMA.names if name not in _NOT_SUMMED)


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums over the committed shards.

    `unreadable` names the first few result objects, `corrupt` the receipt objects that could not be
    read; the former are not in the sums.
    """

    shards: int
    documents: int
    ok: int
    error: int
    error_codes: Mapping[str, int]
    prompt_tokens: int
    output_tokens: int
    generated: int
    restored: int
    cost_usd: float
    rework: Rework
    tiers: Tallies
    audits: tuple[Audited, ...]  # in the order in which their shards were committed
    unreadable: tuple[str, ...]
    corrupt: tuple[str, ...]


class ReceiptLog:
    """Appends receipts under `checkpoint` for the driver that holds lease `token`."""

    def __init__(self, store: Store, token: int) -> None:
        self._store = store
        self._token = token
        self._next_sequence = 0

    def append(self, receipts: Sequence[Receipt]) -> None:
        """Write the receipts as one object; nothing for none.

        Raises UnknownWriteError (go on: what is lost is found again in the footers),
        LostRaceError (another process writes with this token).
        """
        if not receipts:
            return
        rows = [_as_row(one) for one in receipts]
        sink = pa.BufferOutputStream()
        pq.write_table(pa.Table.from_pylist(rows, schema=_SCHEMA), sink, compression="zstd")
        key = keys.receipts_key(self._token, self._next_sequence)
        self._next_sequence += 1
        if create_once(self._store, key, sink.getvalue().to_pybytes()) is Outcome.THEIRS:
            raise LostRaceError(f"{key} was written by another process with the same lease token")


def load_totals(
    checkpoint_store: Store,
    output_store: Store,
    header: PlanHeader,
    done: npt.NDArray[np.bool_],
) -> Totals:
    """Sum up the shards of `done` (see resume.list_results): receipts first, footers for the rest.

    Where several receipts name a shard, the newest lease token's holds.
    """
    missing = done[: header.shards].copy()
    sums: dict[str, int | float] = dict.fromkeys(_SUMMED, 0)
    codes = Counter[str]()
    rework = NO_REWORK
    tiers: Tallies = {}
    audits: list[tuple[float, tuple[Audited, ...]]] = []  # by when their shard was committed
    corrupt: list[str] = []
    found = sorted((info.key for info in checkpoint_store.list(keys.RECEIPTS)), reverse=True)
    for key, table in in_parallel(partial(_read_table, checkpoint_store), found, threads=READERS):
        if table is None:
            corrupt.append(key)
            continue
        numbers = table.column("shard").to_numpy()
        picked = _first_of_each(numbers, missing)
        for name in _SUMMED:
            sums[name] += table.column(name).to_numpy()[picked].sum().item()
        for said in table.column(_CODES).take(picked).value_counts():
            for code, errors in json.loads(said["values"].as_py()).items():
                codes[code] += errors * said["counts"].as_py()
        for said in table.column(_REWORK).take(picked).drop_null().to_pylist():
            rework += Rework(**json.loads(said))
        for said in table.column(_TIERS).take(picked).drop_null().to_pylist():
            tiers = added(tiers, tallies_of_fields(json.loads(said)))
        for committed_unix_s, said in zip(
            table.column("committed_unix_s").take(picked).to_pylist(),
            table.column(_AUDITS).take(picked).to_pylist(),
            strict=True,
        ):
            if said is not None:
                found_here = tuple(Audited(*pair) for pair in json.loads(said))
                audits.append((committed_unix_s, found_here))
        missing[numbers[picked]] = False
    shards = int(done[: header.shards].sum())
    unreadable: list[str] = []
    left = (int(shard) for shard in np.flatnonzero(missing))
    for shard, receipt in in_parallel(partial(_footer, output_store), left, threads=READERS):
        if receipt is None:
            shards -= 1
            if len(unreadable) < NAMED:
                unreadable.append(keys.result_key(shard))
            continue
        for name in _SUMMED:
            sums[name] += getattr(receipt, name)
        codes.update(receipt.error_codes)
        rework += receipt.rework
        tiers = added(tiers, receipt.tiers)
        audits.append((receipt.committed_unix_s, receipt.audits))
    return Totals(
        shards=shards,
        documents=int(sums["documents"]),
        ok=int(sums["ok"]),
        error=int(sums["error"]),
        error_codes=codes,
        prompt_tokens=int(sums["prompt_tokens"]),
        output_tokens=int(sums["output_tokens"]),
        generated=int(sums["generated"]),
        restored=int(sums["restored"]),
        cost_usd=float(sums["cost_usd"]),
        rework=rework,
        tiers=tiers,
        audits=tuple(one for _, some in sorted(audits, key=itemgetter(0)) for one in some),
        unreadable=tuple(unreadable),
        corrupt=tuple(sorted(corrupt)),
    )


def read_receipts(store: Store, shards: int) -> Iterator[Receipt]:
    """The receipt of every shard below `shards` that has one in the log; a damaged object has none.

    They come object by object, so that a reader need not hold them all. Where several receipts name
    a shard, the newest lease token's holds.
    """
    missing = np.ones(shards, dtype=np.bool_)
    found = sorted((info.key for info in store.list(keys.RECEIPTS)), reverse=True)
    for _, table in in_parallel(partial(_read_table, store), found, threads=READERS):
        if table is None:
            continue
        numbers = table.column("shard").to_numpy()
        picked = _first_of_each(numbers, missing)
        missing[numbers[picked]] = False
        for row in table.take(picked).to_pylist():
            yield _of_row(row)


def _as_row(receipt: Receipt) -> dict[str, Any]:
    found = receipt.as_fields()
    has_rework = receipt.rework != NO_REWORK
    return found | {
        _CODES: json.dumps(found[_CODES]),
        _REWORK: json.dumps(found[_REWORK]) if has_rework else None,
        _TIERS: json.dumps(found[_TIERS]) if receipt.tiers else None,
        _AUDITS: json.dumps(found[_AUDITS]) if receipt.audits else None,
    }


def _of_row(row: Mapping[str, Any]) -> Receipt:
    said = {name: json.loads(row[name]) for name in _AS_JSON if row[name] is not None}
    told = {name: value for name, value in row.items() if name not in _AS_JSON}
    return Receipt.of_fields(told | said)


def _first_of_each(
    numbers: npt.NDArray[np.int64], missing: npt.NDArray[np.bool_]
) -> npt.NDArray[np.int64]:
    """The row positions that name a missing shard, the last of each where it is named twice."""
    valid = np.flatnonzero((numbers >= 0) & (numbers < len(missing)))
    valid = valid[missing[numbers[valid]]]
    _, last = np.unique(numbers[valid][::-1], return_index=True)
    picked: npt.NDArray[np.int64] = valid[::-1][last].astype(np.int64)
    return picked


def _read_table(store: Store, key: str) -> Any | None:
    try:
        table = pq.read_table(pa.BufferReader(store.read(key)))
        return table.select(_SCHEMA.names).cast(_SCHEMA).combine_chunks()
    except (pa.ArrowException, KeyError, FileNotFoundError):
        return None


def _footer(store: Store, shard: int) -> Receipt | None:
    try:
        return read_receipt(store, shard)
    except (CorruptObjectError, FileNotFoundError):
        return None
