"""A run's results against the demo's known answers.

Boundary: reads result objects with pyarrow and the gold file; knows nothing of runs.
"""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path

import pyarrow.parquet as pq
from rich.table import Table

COLUMNS = ["source", "source_row", "status", "result", "error_code"]
Key = tuple[str, int]


def accuracy_table(results: Path, documents: Path, gold: Path) -> Table:
    """Exact matches of the whole answer by difficulty, and bad documents by code."""
    found = read_results(results, documents)
    right: dict[str, int] = defaultdict(int)
    total: dict[str, int] = defaultdict(int)
    for line in gold.read_text(encoding="utf-8").splitlines():
        expected = json.loads(line)
        result, error = found.get((expected["source"], expected["row"] or 0), (None, "missing"))
        is_bad = expected["error"] is not None
        is_right = error == expected["error"] if is_bad else result == expected["answer"]
        groups = ["bad documents, named"] if is_bad else ["all good", expected["difficulty"]]
        for group in groups:
            total[group] += 1
            right[group] += is_right
    table = Table("documents", "number", "exactly right", box=None)
    for group in sorted(total):
        table.add_row(group, f"{total[group]:,}", f"{right[group] / total[group]:.1%}")
    return table


def read_results(results: Path, documents: Path) -> dict[Key, tuple[object, str | None]]:
    """(answer, error code) by (source relative to `documents`, row)."""
    table = pq.read_table(results, columns=COLUMNS)
    rows = zip(*(table.column(name).to_pylist() for name in COLUMNS), strict=True)
    return {
        (str(Path(source.removeprefix("file://")).relative_to(documents)), row): (
            json.loads(result) if status == "ok" else None,
            code,
        )
        for source, row, status, result, code in rows
    }
