"""One shard's stored rows against its plan: a pure judgement, columns at a time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from checkpoints import keys
from checkpoints.encoding import storable
from checkpoints.errors import CorruptObjectError
from checkpoints.plan import Shard
from checkpoints.result_file import ResultFooter, parse_footer
from checkpoints.store import Store

DUPLICATE_ID = "duplicate_id"
_NEEDED = ("ordinal", "id", "status", "error_code", "fingerprint", "source", "source_row")
_NO_ORDINALS = np.empty(0, dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Finding:
    """What one shard's object proves; `ids` at `ordinals` still have to be unique over the run."""

    ok: int = 0
    error: int = 0
    missing: int = 0
    duplicate: int = 0
    extra: int = 0
    problems: tuple[str, ...] = ()
    error_codes: Mapping[str, int] = field(default_factory=dict)  # how many rows have which
    ids: Sequence[str] = ()
    ordinals: npt.NDArray[np.int64] = field(default_factory=lambda: _NO_ORDINALS)


def judge_shard(
    store: Store, fingerprint: str, done: npt.NDArray[np.bool_], shard: Shard
) -> Finding:
    """Read the shard's result object, if it is listed as done, and judge its rows."""
    key = keys.result_key(shard.number)
    if not done[shard.number]:
        return Finding(missing=shard.documents, problems=(f"{key} is missing",))
    try:
        data = store.read(key)
        footer = parse_footer(key, data)
        table = pq.read_table(pa.BufferReader(data), columns=list(_NEEDED))
        return judge_rows(shard, fingerprint, footer, table)
    except FileNotFoundError:
        return Finding(missing=shard.documents, problems=(f"{key} vanished since it was listed",))
    except (CorruptObjectError, pa.ArrowException, KeyError, OSError) as error:
        if isinstance(error, (PermissionError, ConnectionError, TimeoutError)):
            raise
        return Finding(missing=shard.documents, problems=(f"{key} is unreadable: {error}",))


def judge_rows(shard: Shard, fingerprint: str, footer: ResultFooter, table: Any) -> Finding:
    """The judgement over the needed columns of `table`; no I/O.

    The first row of an ordinal counts, further ones are duplicates, ordinals outside the plan
    extra.
    """
    key = keys.result_key(shard.number)
    ordinals = table.column("ordinal").to_numpy()
    planned = (ordinals >= 0) & (ordinals < shard.documents)
    inside = np.flatnonzero(planned)
    _, first = np.unique(ordinals[inside], return_index=True)
    kept = inside[first]
    rows = table.take(pa.array(kept))
    kept_ordinals = ordinals[kept].astype(np.int64)
    is_ok = _equal(rows.column("status"), "ok")
    is_error = _equal(rows.column("status"), "error")
    duplicate, extra = len(inside) - len(kept), len(ordinals) - len(inside)
    missing = shard.documents - len(kept)
    sums_hold = (footer.receipt.documents, footer.receipt.ok) == (len(ordinals), int(is_ok.sum()))
    marked = _equal(rows.column("error_code"), DUPLICATE_ID)
    repeats = np.isin(kept_ordinals, np.fromiter(shard.duplicates, dtype=np.int64))
    checks = (
        (missing == 0, f"{missing} documents have no row"),
        (duplicate == 0, f"{duplicate} rows repeat a document"),
        (extra == 0, f"{extra} rows are of no planned document"),
        (footer.shard == shard.number, f"it says that it is shard {footer.shard}"),
        (footer.fingerprint == fingerprint, "it was written by a run with another fingerprint"),
        (_equal(rows.column("fingerprint"), fingerprint).all(), "rows carry another fingerprint"),
        (bool((is_ok | is_error).all()), "a status is neither ok nor error"),
        (
            bool((is_ok == _is_null(rows.column("error_code"))).all()),
            "error codes do not fit status",
        ),
        (bool((marked == repeats).all()), "rows marked duplicate_id are not those of the plan"),
        (_sources_fit(shard, rows, kept_ordinals), "source or source_row differ from the plan"),
        (sums_hold, "the receipt does not match the rows"),
    )
    unique = np.flatnonzero(~marked & ~repeats)
    return Finding(
        ok=int(is_ok.sum()),
        error=len(kept) - int(is_ok.sum()),
        missing=missing,
        duplicate=duplicate,
        extra=extra,
        problems=tuple(f"{key}: {problem}" for holds, problem in checks if not holds),
        error_codes={
            str(one["values"]): one["counts"]
            for one in pc.value_counts(rows.column("error_code").drop_null()).to_pylist()
        },
        ids=rows.column("id").take(pa.array(unique)).to_pylist(),
        ordinals=kept_ordinals[unique],
    )


def unplanned_rows(store: Store, key: str) -> int:
    """How many rows an object that the plan does not know has; 1 when it is no result object."""
    try:
        return parse_footer(key, store.read(key)).rows
    except (CorruptObjectError, FileNotFoundError):
        return 1


def _sources_fit(shard: Shard, rows: Any, ordinals: npt.NDArray[np.int64]) -> bool:
    counts = [one.documents for one in shard.slices]
    which = np.repeat(np.arange(len(counts)), counts)[ordinals]
    starts = np.cumsum([0, *counts[:-1]])
    first_rows = np.array([one.first_row for one in shard.slices], dtype=np.int64)
    expected_rows = first_rows[which] + ordinals - starts[which]
    names = pa.array([storable(one.source) for one in shard.slices], pa.string())
    same = pc.equal(rows.column("source"), names.take(pa.array(which)))
    found_rows = rows.column("source_row").to_numpy()
    return bool(pc.all(pc.fill_null(same, False)).as_py() is not False) and bool(
        (found_rows == expected_rows).all()
    )


def _equal(column: Any, text: str) -> npt.NDArray[np.bool_]:
    same: npt.NDArray[np.bool_] = pc.fill_null(pc.equal(column, text), False).to_numpy()
    return same


def _is_null(column: Any) -> npt.NDArray[np.bool_]:
    null: npt.NDArray[np.bool_] = pc.is_null(column).to_numpy()
    return null
