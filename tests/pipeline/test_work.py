"""How many requests coordinators keep in flight."""

from dataclasses import replace

import pytest

from tests.pipeline.engine_builders import tier, work


@pytest.mark.parametrize("coordinators", [1, 2, 3, 7])
@pytest.mark.parametrize("replicas", [1, 5, 64])
def test_coordinators_together_keep_every_replica_full(coordinators: int, replicas: int) -> None:
    its = tier(placement=replace(tier().placement, max_replicas=replicas))
    assert its.in_flight_per_replica > its.profile.max_num_seqs
    in_flight = work(coordinators=coordinators).in_flight(its)
    assert in_flight * coordinators >= its.in_flight_per_replica * replicas


def test_at_least_one_chunk_is_in_flight() -> None:
    assert work(coordinators=100, chunk_size=16).in_flight(tier()) == 16
