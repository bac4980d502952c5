"""How a run came to where it is: what its shards amounted to, in the order of their commits.

Boundary: reads the log of receipts; some numbers per shard and audit are held, no row is read.
Invariant: times ascend. A shard whose receipt was lost with its driver is not here.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from checkpoints.receipts import read_receipts
from checkpoints.result import Receipt
from checkpoints.steps import Tally
from checkpoints.store import Store
from pipeline.routing.route import Reason

FloatArray: TypeAlias = npt.NDArray[np.float64]

NOT_BY_ROUTE = frozenset({Reason.SAMPLED, Reason.AUDITED})
"""Reasons for asking another tier that say nothing of the answer."""


@dataclass(frozen=True, slots=True)
class Flow:
    """Documents that the route sent through one tier, per shard: shapes (n,).

    Without those of the sample. An audited answer counts as kept: it would be.
    """

    documents: FloatArray
    sent_on: FloatArray


@dataclass(frozen=True, slots=True)
class History:
    """Committed shards, shapes (n,), and audited documents, shapes (m,)."""

    committed_unix_s: FloatArray
    documents: FloatArray
    prompt_tokens: FloatArray
    output_tokens: FloatArray
    flows: Mapping[str, Flow]  # by tier; empty where only one could be asked
    audited_unix_s: FloatArray
    audit_losses: FloatArray

    def __len__(self) -> int:
        return len(self.committed_unix_s)


def read_history(checkpoint: Store, shards: int) -> History:
    """The history of a run of so many shards; empty before the first commit."""
    return history_of(read_receipts(checkpoint, shards))


def history_of(receipts: Iterable[Receipt]) -> History:
    """These receipts, in whatever order, as arrays."""
    columns = tuple(array("d") for _ in range(4))
    flows: dict[str, tuple[array[float], array[float]]] = {}
    audits = array("d"), array("d")
    for receipt in receipts:
        before = len(columns[0])
        numbers = (receipt.committed_unix_s, receipt.documents, receipt.prompt_tokens)
        for column, number in zip(columns, (*numbers, receipt.output_tokens), strict=True):
            column.append(number)
        for name in receipt.tiers:
            if name not in flows:
                flows[name] = array("d", bytes(8 * before)), array("d", bytes(8 * before))
        for name, flow in flows.items():
            for column, number in zip(flow, _flow(receipt.tiers.get(name, Tally())), strict=True):
                column.append(number)
        for audit in receipt.audits:
            audits[0].append(receipt.committed_unix_s)
            audits[1].append(audit.loss)
    committed, documents, prompt_tokens, output_tokens = _by_time(*columns)
    audited_unix_s, audit_losses = _by_time(*audits)
    return History(
        committed_unix_s=committed,
        documents=documents,
        prompt_tokens=prompt_tokens,
        output_tokens=output_tokens,
        flows={name: Flow(*_by_time(columns[0], *flow)[1:]) for name, flow in flows.items()},
        audited_unix_s=audited_unix_s,
        audit_losses=audit_losses,
    )


def _flow(tally: Tally) -> tuple[int, int]:
    """(documents that the route sent here, those of them that it sent on)."""
    sent_on = sum(times for reason, times in tally.escalated.items() if reason not in NOT_BY_ROUTE)
    return tally.kept + tally.escalated.get(Reason.AUDITED, 0) + sent_on, sent_on


def _by_time(times: array[float], *others: array[float]) -> tuple[FloatArray, ...]:
    """All of them as arrays, in the order of the times."""
    found = [np.array(one, dtype=np.float64) for one in (times, *others)]
    order = np.argsort(found[0], kind="stable")
    return tuple(one[order] for one in found)
