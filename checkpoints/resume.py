"""What is left to do: one listing of result keys against the plan, in a bitmap.

Invariant: a shard is done if and only if its result object exists; nothing else is asked, and
memory is a byte per shard, whatever the number of documents.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from checkpoints import keys
from checkpoints.plan import PlanHeader
from checkpoints.store import Store

UNEXPECTED_NAMED = 20


@dataclass(frozen=True, slots=True)
class Listing:
    """The state of results/: `done[shard]`, and what does not belong there.

    `unexpected` names the first few of `unexpected_count` keys that are no result of this plan.
    """

    done: npt.NDArray[np.bool_]
    unexpected: tuple[str, ...]
    unexpected_count: int

    def pending(self) -> npt.NDArray[np.int64]:
        """The numbers of unfinished shards, ascending."""
        return np.flatnonzero(~self.done).astype(np.int64)


def list_results(output_store: Store, header: PlanHeader) -> Listing:
    """List results/ once; lazily, so that a million keys take little memory."""
    done = np.zeros(header.shards, dtype=np.bool_)
    unexpected: list[str] = []
    unexpected_count = 0
    for info in output_store.list(keys.RESULTS):
        shard = keys.parse_result_key(info.key)
        if shard is not None and shard < header.shards:
            done[shard] = True
            continue
        unexpected_count += 1
        if len(unexpected) < UNEXPECTED_NAMED:
            unexpected.append(info.key)
    return Listing(done, tuple(sorted(unexpected)), unexpected_count)
