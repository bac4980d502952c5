"""The thread that renews: it shows life, it notices the loss, it gives back."""

import threading
from collections.abc import Callable

import pytest

from checkpoints.errors import FencedError, LeaseHeldError
from checkpoints.keys import lease_key
from checkpoints.lease import Lease, read_lease
from checkpoints.memory_store import MemoryStore
from checkpoints.owner import this_process
from checkpoints.store import Store
from pipeline.lease_keeper import LeaseKeeper
from tests.pipeline.mortal_store import Life, MortalStore


class WatchedStore(MemoryStore):
    """Sets `renewed` with every replaced object."""

    def __init__(self) -> None:
        super().__init__()
        self.renewed = threading.Event()

    def replace(self, key: str, data: bytes) -> None:
        super().replace(key, data)
        self.renewed.set()


def lease(store: Store, *, ttl_s: float = 0.5, now: Callable[[], float] | None = None) -> Lease:
    its = this_process("test")
    return (
        Lease(store, its, ttl_s=ttl_s) if now is None else Lease(store, its, ttl_s=ttl_s, now=now)
    )


def test_it_holds_renews_and_gives_back() -> None:
    store = WatchedStore()
    with LeaseKeeper(lease(store)) as keeper:
        assert keeper.token == 1
        keeper.check()
        assert store.renewed.wait(10)
        keeper.check()
        held = read_lease(store)
        assert held is not None
        assert held.heartbeat > 0
        assert not held.released
    freed = read_lease(store)
    assert freed is not None
    assert freed.released


def test_a_lost_lease_stays_lost_and_is_not_given_back() -> None:
    store = MemoryStore()
    with LeaseKeeper(lease(store, ttl_s=0.2)) as keeper:
        theirs = store.read(lease_key(1)).replace(b'"token":1', b'"token":2')
        store.create(lease_key(2), theirs)
        keeper._thread.join(10)  # it ends when it sees the other's
        assert not keeper._thread.is_alive()
        for _ in range(2):
            with pytest.raises(FencedError):
                keeper.check()
    assert store.read(lease_key(2)) == theirs
    assert b'"released":false' in store.read(lease_key(1))


def test_a_store_that_is_away_is_asked_again() -> None:
    store, life = WatchedStore(), Life()
    asked = threading.Event()

    def fails(name: str) -> bool:
        is_first = name.startswith("replace") and not asked.is_set()
        if is_first:
            asked.set()
        return is_first

    life.fails = fails
    with LeaseKeeper(lease(MortalStore(store, life), ttl_s=2.0)) as keeper:
        assert asked.wait(10)
        assert store.renewed.wait(10)
        keeper.check()


def test_a_lease_that_was_not_renewed_in_time_is_lost_without_asking_the_store() -> None:
    clock = [0.0]
    store = MemoryStore()
    with LeaseKeeper(lease(store, ttl_s=100.0, now=lambda: clock[0])) as keeper:
        clock[0] = 89.0
        keeper.check()
        clock[0] = 91.0
        with pytest.raises(FencedError):
            keeper.check()


def test_a_lease_that_is_held_is_not_entered() -> None:
    store = MemoryStore()
    with LeaseKeeper(lease(store, ttl_s=100.0)):
        second = Lease(store, this_process("other"), ttl_s=100.0, sleep=lambda _: beat(store))
        with pytest.raises(LeaseHeldError), LeaseKeeper(second):
            pass


def beat(store: MemoryStore) -> None:
    """The holder shows life."""
    key = lease_key(1)
    store.replace(key, store.read(key).replace(b'"heartbeat":0', b'"heartbeat":1'))


def test_a_store_that_is_away_at_the_end_does_not_spoil_a_finished_run() -> None:
    life = Life()
    with LeaseKeeper(lease(MortalStore(MemoryStore(), life), ttl_s=100.0)):
        life.fails = lambda _: True


def test_the_error_of_the_block_comes_through() -> None:
    with pytest.raises(KeyError), LeaseKeeper(lease(MemoryStore(), ttl_s=100.0)):
        raise KeyError("the block's own")
