"""Coordinators over memory stores, and what their stores must hold."""

from checkpoints.encoding import canonical_json
from checkpoints.keys import JOURNAL, lease_key, result_key
from checkpoints.result import ResultRow
from checkpoints.result_file import decode_rows
from checkpoints.store import Store
from checkpoints.verify import Verdict, verify
from pipeline.coordinator import Coordinator
from pipeline.work import Work
from tests.pipeline.engine_builders import (
    Fleet,
    work,
)
from tests.pipeline.mortal_store import Life, MortalStore


def coordinator(
    output: Store,
    checkpoint: Store,
    fleet: Fleet,
    life: Life | None = None,
    its: Work | None = None,
) -> Coordinator:
    its = its or work()
    alive = life or Life()
    return Coordinator(
        its,
        MortalStore(output, alive),
        MortalStore(checkpoint, alive),
        {one.name: fleet.send for one in its.tiers},
    )


def rows_of(output: Store, shard: int = 0) -> list[ResultRow]:
    return decode_rows(output.read(result_key(shard)))


def journal_keys(checkpoint: Store) -> list[str]:
    return [info.key for info in checkpoint.list(JOURNAL)]


def assert_proven(output: Store, checkpoint: Store) -> Verdict:
    verdict = verify(output, checkpoint)
    assert verdict.proven, verdict
    return verdict


def fence_off(checkpoint: Store) -> None:
    """Another driver takes the lease over."""
    checkpoint.create(lease_key(1), canonical_json({}))
    checkpoint.create(lease_key(2), canonical_json({}))
