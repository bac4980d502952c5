"""The proof of a run, from its stored objects alone: nothing lost, nothing twice, nothing foreign.

Boundary: reads the plan and the result objects; trusts no receipt, journal or status. Memory is
bounded by the objects in flight, a few bytes per shard and the id check's budget.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from checkpoints import keys
from checkpoints.duplicates import MEMORY_BYTES, DuplicateFinder
from checkpoints.errors import NoRunError
from checkpoints.parallel import in_parallel
from checkpoints.plan import PlanHeader, read_header, read_shards
from checkpoints.resume import Listing, list_results
from checkpoints.run import read_run
from checkpoints.store import Store
from checkpoints.verify_shard import Finding, judge_shard, unplanned_rows

READERS = 8
PROBLEMS_NAMED = 20


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the stored objects prove; `problems` names the first few in words."""

    documents: int
    ok: int
    error: int
    missing: int
    duplicate: int
    extra: int
    problems: tuple[str, ...]
    error_codes: tuple[tuple[str, int], ...] = ()  # the most frequent first

    @property
    def proven(self) -> bool:
        """Whether every planned document has exactly one sound row and nothing else is there."""
        return not (self.missing or self.duplicate or self.extra or self.problems)

    def line(self) -> str:
        """The verdict in one line, the same for people and for programs."""
        extra = f", {self.extra} extra" if self.extra else ""
        return (
            f"{self.documents} documents: {self.ok} ok, {self.error} error, "
            f"{self.missing} missing, {self.duplicate} duplicate{extra}"
        )


def verify(
    output_store: Store,
    checkpoint_store: Store,
    *,
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
    memory_bytes: int = MEMORY_BYTES,
    folder: Path | None = None,
) -> Verdict:
    """Check every planned document against the stored rows.

    `on_progress(shards checked, shards planned)` is called now and then; ids beyond `memory_bytes`
    spill to `folder` (default: the system's temporary folder). Raises NoRunError where nothing was
    planned, CorruptObjectError for a damaged plan, and the store's own errors.
    """
    run, header = read_run(checkpoint_store), read_header(checkpoint_store)
    if run is None or header is None:
        raise NoRunError("there is no planned run here: check the checkpoint URI")
    listing = list_results(output_store, header)
    tally = _Tally()
    tally.add_unplanned(output_store, listing)
    bases = np.zeros(header.shards + 1, dtype=np.int64)
    with DuplicateFinder(memory_bytes, folder) as finder:
        judge = partial(judge_shard, output_store, run.fingerprint.value, listing.done)
        shards = read_shards(checkpoint_store, header, range(header.shards))
        for shard, finding in in_parallel(judge, shards, threads=READERS):
            base = bases[shard.number]
            bases[shard.number + 1] = base + shard.documents
            finder.add_at(finding.ids, base + finding.ordinals)
            tally.add(finding)
            if (shard.number + 1) % 100 == 0 or shard.number + 1 == header.shards:
                on_progress(shard.number + 1, header.shards)
        tally.add_repeats(finder.duplicates(), bases)
    return tally.verdict(header)


class _Tally:
    """The running sums of a verification."""

    def __init__(self) -> None:
        self.ok = self.error = self.missing = self.duplicate = self.extra = 0
        self.error_codes = Counter[str]()
        self.problems: list[str] = []
        self.unnamed = 0

    def add(self, finding: Finding) -> None:
        self.ok += finding.ok
        self.error += finding.error
        self.missing += finding.missing
        self.duplicate += finding.duplicate
        self.extra += finding.extra
        self.error_codes.update(finding.error_codes)
        for problem in finding.problems:
            self._name(problem)

    def add_unplanned(self, store: Store, listing: Listing) -> None:
        for key in listing.unexpected:
            rows = unplanned_rows(store, key)
            self.extra += rows
            self._name(f"{key} is no result of this plan ({rows} rows)")
        more = listing.unexpected_count - len(listing.unexpected)
        if more:
            self.extra += more
            self._name(f"{more} more objects under {keys.RESULTS} are no results of this plan")

    def add_repeats(self, positions: Iterator[int], bases: np.ndarray) -> None:
        for position in positions:
            self.duplicate += 1
            shard = int(np.searchsorted(bases, position, side="right")) - 1
            self._name(
                f"{keys.result_key(shard)}: the id of ordinal {position - int(bases[shard])} "
                "occurs before and the row is not marked duplicate_id"
            )

    def verdict(self, header: PlanHeader) -> Verdict:
        more = (f"and {self.unnamed} more problems",) if self.unnamed else ()
        return Verdict(
            documents=header.documents,
            ok=self.ok,
            error=self.error,
            missing=self.missing,
            duplicate=self.duplicate,
            extra=self.extra,
            problems=(*self.problems, *more),
            error_codes=tuple(self.error_codes.most_common()),
        )

    def _name(self, problem: str) -> None:
        if len(self.problems) < PROBLEMS_NAMED:
            self.problems.append(problem)
        else:
            self.unnamed += 1
