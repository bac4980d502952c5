"""A table of labelled answers as a sample: its columns read strictly.

Boundary: reads one file or an Arrow table; errors name the column, the row and the way out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import csv, parquet
from pyarrow import json as arrow_json

from pipeline.certification.agreement import BINARY, against_reference, loss_named
from pipeline.certification.route_errors import UnusableSampleError
from pipeline.certification.sample import BoolArray, FloatArray, Sample

TIERS = ("cheap", "strong")
READERS: Mapping[str, Callable[[Path], Any]] = {
    ".parquet": parquet.read_table,
    ".csv": csv.read_csv,
    ".jsonl": arrow_json.read_json,
    ".ndjson": arrow_json.read_json,
}


@dataclass(frozen=True, slots=True)
class Columns:
    """What the columns of a table mean. Exactly one of `loss`, `answers` and `correct` is given.

    `confidence`: signals of the cheap answer, larger where it is surer; without a value there the
    document always escalates. `loss`: of the cheap answer against the strong one's, 0 as good, 1 as
    bad as none. `answers`: the cheap and the strong answer, compared by `loss_function`; an empty
    one is no usable answer. `correct`: whether the cheap and the strong answer are right, or how
    right, in [0, 1]. `costs`: of a cheap and of a strong answer, a column or a number in any one
    unit; by default strong answers are counted.
    """

    confidence: tuple[str, ...]
    loss: str | None = None
    answers: tuple[str, str] | None = None
    correct: tuple[str, str] | None = None
    loss_function: str = "exact"
    costs: tuple[str | float, str | float] = (0.0, 1.0)

    def __post_init__(self) -> None:
        given = [one for one in (self.loss, self.answers, self.correct) if one is not None]
        if len(given) != 1:
            raise UnusableSampleError(
                f"columns: {len(given)} of loss, answers and correct are given: give exactly one"
            )
        if not self.confidence or len(set(self.confidence)) < len(self.confidence):
            raise UnusableSampleError(
                f"confidence: {list(self.confidence)}: name at least one column, each once"
            )

    @property
    def loss_name(self) -> str:
        """What the certificate says about the loss."""
        if self.answers is not None:
            return self.loss_function
        return f"column {self.loss}" if self.loss is not None else "correct"


def read_table(path: Path) -> Any:
    """The Arrow table in a Parquet, CSV or JSON Lines file; UnusableSampleError."""
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        kinds = ", ".join(READERS)
        raise UnusableSampleError(f"table: {path} is of no known kind: give one of {kinds}")
    if not path.is_file():
        raise UnusableSampleError(f"table: there is no file {path}: check the path")
    try:
        return reader(path)
    except pa.ArrowException as error:
        raise UnusableSampleError(f"table: {path} cannot be read ({error}): mend it") from error


def sample_of_table(table: Any, columns: Columns) -> tuple[Sample, str]:
    """The rows as a sample in the table's order, and the SHA-256 of what was taken from it."""
    signals = np.column_stack([_numbers(table, name) for name in columns.confidence])
    is_usable = np.asarray(np.isfinite(signals).all(axis=1), dtype=np.bool_)
    losses, has_answer, is_binary = _losses(table, columns, is_usable)
    usable = is_usable & has_answer
    rows = table.num_rows
    costs = np.column_stack([_costs(table, one) for one in columns.costs])
    sample = Sample(
        tiers=TIERS,
        features=(signals, np.zeros((rows, 0))),
        is_usable=np.column_stack([usable, np.ones(rows, dtype=np.bool_)]),
        losses=np.column_stack([np.where(usable, losses, 1.0), np.zeros(rows)]),
        costs=costs,
        signals=columns.confidence,
        is_binary=is_binary,
    )
    taken = hashlib.sha256()
    for part in (signals, sample.is_usable, sample.losses, costs):
        taken.update(np.ascontiguousarray(part).tobytes())
    return sample, taken.hexdigest()


def _losses(
    table: Any, columns: Columns, is_usable: BoolArray
) -> tuple[FloatArray, BoolArray, bool]:
    """The losses (n,), where there is a usable answer, and whether all can only be 0 or 1."""
    everywhere = np.ones(table.num_rows, dtype=np.bool_)
    if columns.loss is not None:
        losses = _shares(table, columns.loss, needed=is_usable)
        kind = table.column(columns.loss).type
        return losses, everywhere, pa.types.is_boolean(kind) or pa.types.is_integer(kind)
    if columns.correct is not None:
        cheap, strong = (_shares(table, name, needed=is_usable) for name in columns.correct)
        return strong - cheap, everywhere, False
    assert columns.answers is not None  # exactly one of three
    loss = loss_named(columns.loss_function)
    compared = against_reference(loss)
    cheap_answers, strong_answers = (_texts(table, name) for name in columns.answers)
    has_answer = np.array([answer is not None for answer in cheap_answers], dtype=np.bool_)
    both = zip(cheap_answers, strong_answers, strict=True)
    losses = np.array([compared(*pair) for pair in both], dtype=np.float64)
    return losses, has_answer, loss in BINARY


def _column(table: Any, name: str) -> Any:
    if name not in table.column_names:
        there = ", ".join(table.column_names)
        raise UnusableSampleError(f"column {name!r} is not in the table: it has {there}")
    return table.column(name)


def _numbers(table: Any, name: str) -> FloatArray:
    """A column as floats (n,), nan where there is no value."""
    column = _column(table, name)
    kind = column.type
    if pa.types.is_null(kind):
        return np.full(table.num_rows, np.nan)
    if not any(is_a(kind) for is_a in (pa.types.is_integer, pa.types.is_floating)):
        if not pa.types.is_boolean(kind):
            raise UnusableSampleError(f"column {name!r} holds {kind}: it has to hold numbers")
        column = column.cast(pa.int8())
    values = column.cast(pa.float64()).fill_null(float("nan"))
    return np.asarray(values.to_numpy(), dtype=np.float64)


def _shares(table: Any, name: str, *, needed: BoolArray) -> FloatArray:
    """A column of numbers in [0, 1] (n,), which it has to hold where `needed`."""
    values = _numbers(table, name)
    wrong = np.flatnonzero(needed & ~((values >= 0) & (values <= 1)))
    if len(wrong):
        raise UnusableSampleError(
            f"column {name!r} holds {values[wrong[0]]} in row {wrong[0] + 1}: it has to be between "
            "0 and 1 wherever there is a confidence"
        )
    return values


def _costs(table: Any, cost: str | float) -> FloatArray:
    rows = table.num_rows
    values = _numbers(table, cost) if isinstance(cost, str) else np.full(rows, float(cost))
    wrong = np.flatnonzero(~(np.isfinite(values) & (values >= 0)))
    if len(wrong):
        raise UnusableSampleError(
            f"cost {cost!r} is {values[wrong[0]]} in row {wrong[0] + 1}: a cost is a number, at "
            "least 0"
        )
    return values


def _texts(table: Any, name: str) -> list[str | None]:
    """A column of answers; None for one that is missing or blank."""
    values = _column(table, name).to_pylist()
    texts = [None if value is None else str(value) for value in values]
    return [text if text is not None and text.strip() else None for text in texts]
