"""The lease: who may drive, judged without comparing clocks."""

import subprocess
import sys
from dataclasses import replace

import pytest

from checkpoints.errors import FencedError, LeaseExpiredError, LeaseHeldError
from checkpoints.lease import Fence, Lease, LeaseRecord, Sighting, may_take_over, read_lease
from checkpoints.memory_store import MemoryStore
from checkpoints.owner import Owner, is_surely_gone, this_process

FAR = Owner("far", "far", "host-b", 1, "other-boot", "pid:[1]", "5")
RECORD = LeaseRecord(token=3, acquisition="x", owner=FAR, ttl_s=10.0, heartbeat=7, released=False)


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0
        self.on_sleep = lambda: None

    def __call__(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds
        self.on_sleep()


def lease(store: MemoryStore, clock: Clock, owner: Owner = FAR) -> Lease:
    return Lease(store, owner, ttl_s=10.0, now=clock, sleep=clock.sleep)


def test_the_first_driver_gets_the_first_token_at_once() -> None:
    clock = Clock()
    assert lease(MemoryStore(), clock).acquire() == 1
    assert clock.now_s == 100.0


def test_after_a_release_the_next_driver_starts_at_once() -> None:
    store, clock = MemoryStore(), Clock()
    first = lease(store, clock)
    assert first.acquire() == 1
    first.release()
    assert lease(store, clock).acquire() == 2
    assert clock.now_s == 100.0


def test_a_silent_holder_is_replaced_after_its_ttl_and_is_fenced() -> None:
    store, clock = MemoryStore(), Clock()
    old = lease(store, clock)
    old.acquire()
    assert lease(store, clock).acquire() == 2
    assert 110.0 <= clock.now_s < 112.0
    with pytest.raises(FencedError):
        old.check()
    with pytest.raises(FencedError):
        old.renew()


def test_a_holder_that_shows_life_keeps_the_lease() -> None:
    store, clock = MemoryStore(), Clock()
    old = lease(store, clock)
    old.acquire()
    clock.on_sleep = old.renew
    with pytest.raises(LeaseHeldError, match=r"far \(pid 1 on host-b\)"):
        lease(store, clock).acquire()
    old.check()


def test_a_holder_that_could_not_renew_in_time_is_fenced_for_good() -> None:
    store, clock = MemoryStore(), Clock()
    held = lease(store, clock)
    held.acquire()
    clock.now_s += 9.5
    for _ in range(2):
        with pytest.raises(FencedError, match="committed results are safe"):
            held.renew()
    record = read_lease(store)
    assert record is not None
    assert record.heartbeat == 0, "a fenced holder shows no life"


def test_a_renewal_that_took_too_long_does_not_count() -> None:
    clock = Clock()

    class Slow(MemoryStore):
        def replace(self, key: str, data: bytes) -> None:
            super().replace(key, data)
            clock.now_s += 9.5

    held = lease(Slow(), clock)
    held.acquire()
    with pytest.raises(LeaseExpiredError, match="could not be reached"):
        held.renew()
    with pytest.raises(LeaseExpiredError):  # for good
        held.check()


def test_a_lease_is_valid_from_the_moment_its_renewal_began() -> None:
    clock = Clock()

    class Slow(MemoryStore):
        def replace(self, key: str, data: bytes) -> None:
            super().replace(key, data)
            clock.now_s += 4.0

    held = lease(Slow(), clock)
    held.acquire()
    held.renew()
    clock.now_s += 4.9
    assert held.is_valid
    clock.now_s += 0.2
    assert not held.is_valid, "9.1 s after the renewal began"


def test_a_read_that_hung_does_not_count_as_a_late_look() -> None:
    clock = Clock()

    class Hanging(MemoryStore):
        reads = 0

        def read(self, key: str) -> bytes:
            data = super().read(key)
            self.reads += 1
            if self.reads == 2:
                clock.now_s += 20.0  # the bytes are from before, the look ends long after
            return data

    store = Hanging()
    lease(store, clock).acquire()
    lease(store, clock).acquire()
    assert store.reads > 2, "it looked again after the read that hung"


def test_one_failed_renewal_does_no_harm() -> None:
    clock = Clock()

    class Flaky(MemoryStore):
        broken = True

        def replace(self, key: str, data: bytes) -> None:
            if self.broken:
                raise ConnectionError("down")
            super().replace(key, data)

    store = Flaky()
    held = lease(store, clock)
    held.acquire()
    clock.now_s += 4.0
    with pytest.raises(ConnectionError):
        held.renew()
    held.check()
    store.broken = False
    held.renew()
    clock.now_s += 8.0
    held.check()


def test_a_holder_learns_of_a_higher_token_when_it_renews() -> None:
    store, clock = MemoryStore(), Clock()
    old = lease(store, clock)
    old.acquire()
    assert Lease(store, FAR, now=clock, owner_gone=lambda _: True).acquire() == 2
    with pytest.raises(FencedError):
        old.renew()


def test_losing_the_race_for_the_next_token_is_held() -> None:
    store, clock = MemoryStore(), Clock()
    lease(store, clock).acquire()
    other = Lease(store, FAR, now=clock, owner_gone=lambda _: True)

    class Late(MemoryStore):
        def create(self, key: str, data: bytes) -> None:
            other.acquire()
            super().create(key, data)

    late = Late()
    late._objects = store._objects
    with pytest.raises(LeaseHeldError, match="a moment before"):
        Lease(late, FAR, now=clock, owner_gone=lambda _: True).acquire()


@pytest.mark.parametrize(
    ("record", "seen", "age_s", "gone", "allowed"),
    [
        (RECORD, (3, 7), 10.0, False, True),
        (RECORD, (3, 7), 9.9, False, False),
        (RECORD, (3, 6), 99.0, False, False),
        (RECORD, (2, 7), 99.0, False, False),
        (RECORD, (3, 7), 0.0, True, True),
        (replace(RECORD, released=True), (3, 7), 0.0, False, True),
    ],
)
def test_when_a_challenger_may_take_over(
    record: LeaseRecord, seen: tuple[int, int], age_s: float, gone: bool, allowed: bool
) -> None:
    sighting = Sighting(*seen, first_seen_s=50.0)
    found = may_take_over(record, sighting, read_began_s=50.0 + age_s, owner_gone=gone)
    assert found is allowed


def test_a_fence_holds_back_whoever_works_for_an_old_driver() -> None:
    store, clock = MemoryStore(), Clock()
    lease(store, clock).acquire()
    fence = Fence(store, 1, check_every_s=5.0, now=clock)
    fence.check()
    Lease(store, FAR, now=clock, owner_gone=lambda _: True).acquire()
    fence.check()  # asked a moment ago
    clock.now_s += 5.0
    for _ in range(2):
        with pytest.raises(FencedError, match="token 1 is old"):
            fence.check()
    Fence(store, 2, now=clock).check()


def test_this_process_is_alive_and_an_ended_one_is_gone() -> None:
    assert not is_surely_gone(this_process())
    code = "from checkpoints.owner import *; import json, dataclasses; " \
           "print(json.dumps(dataclasses.asdict(this_process())))"  # fmt: skip
    import json

    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    ended = Owner(**json.loads(done.stdout))
    assert is_surely_gone(ended)
    assert not is_surely_gone(replace(ended, boot_id="another boot")), "cannot know"
    assert not is_surely_gone(replace(ended, pid_namespace="pid:[7]")), "a pid of another container"
    assert not is_surely_gone(replace(ended, started=None)), "cannot know"


def test_a_reused_pid_is_not_the_holder() -> None:
    assert is_surely_gone(replace(this_process(), started="1"))
