"""Drivers that contend for one run while time passes and every store operation may fail or hang.

After every step at most one living process holds a lease that it believes valid, and no token is
given twice. The real Lease runs; see stepped_world.py.
"""

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from checkpoints.errors import FencedError, LeaseHeldError, UnknownWriteError
from checkpoints.lease import Lease
from checkpoints.owner import Owner
from tests.checkpoints.stepped_world import Actor, Fate, World, land

TTLS_S = [10.0, 20.0]
DRIVERS = 2
FAULTS = 3


class Leases(RuleBasedStateMachine):
    """Two drivers at once; a driver that ended is followed by another."""

    @initialize(ttls_s=st.lists(st.sampled_from(TTLS_S), min_size=DRIVERS, max_size=DRIVERS))
    def begin(self, ttls_s: list[float]) -> None:
        self.world = World()
        self.tokens: list[int] = []
        self.leases: dict[Actor, Lease] = {}
        self.ended: set[int] = set()
        self.started = 0
        self.faults = 0
        self.ttls_s = ttls_s
        self.actors = [self.start(place) for place in range(DRIVERS)]

    @rule(steps=st.sampled_from([1, 2, 3, 4]))
    def run_both(self, steps: int) -> None:
        for place in range(DRIVERS):
            self.run(place, steps)

    @rule(place=st.integers(0, DRIVERS - 1), steps=st.sampled_from([1, 2, 3, 4]))
    def run(self, place: int, steps: int) -> None:
        for _ in range(steps):
            self.actors[place].step()
            self.check()

    @precondition(lambda self: self.faults < FAULTS)
    @rule(place=st.integers(0, DRIVERS - 1), fate=st.sampled_from(Fate))
    def fail(self, place: int, fate: Fate) -> None:
        self.faults += 1
        self.actors[place].step(fate)

    @rule(seconds=st.sampled_from([0.5, 2.0, 4.5, 5.5]))
    def wait(self, seconds: float) -> None:
        self.world.now_s += seconds

    @rule(place=st.integers(0, DRIVERS - 1), seconds=st.sampled_from([4.5, 5.5, 10.0]))
    def one_waits_while_the_other_hangs(self, place: int, seconds: float) -> None:
        for _ in range(2):
            self.world.now_s += seconds
            self.run(place, 3)

    @precondition(lambda self: self.world.late)
    @rule()
    def a_delayed_write_lands(self) -> None:
        land(self.world.late.pop(0))

    @precondition(lambda self: any(actor.ended for actor in self.actors))
    @rule()
    def drivers_that_ended_are_followed_by_others(self) -> None:
        for place, actor in enumerate(self.actors):
            if actor.ended:
                self.actors[place] = self.start(place)

    @invariant()
    def check(self) -> None:
        valid = [
            lease.token
            for actor, lease in self.leases.items()
            if not actor.ended and lease.is_valid
        ]
        assert len(valid) <= 1, f"drivers with tokens {valid} hold the run at once"
        assert len(set(self.tokens)) == len(self.tokens), "a fencing token was given twice"

    def teardown(self) -> None:
        for actor in self.actors:
            actor.kill()
        # However it went, a new driver gets the run after one silent ttl.
        lease = self.lease(Owner("last", "last", "host", -1, None, None, None), self.sleep)
        assert lease.acquire() > max(self.tokens, default=0)

    def sleep(self, seconds: float) -> None:
        self.world.now_s += seconds

    def start(self, place: int) -> Actor:
        number, self.started = self.started, self.started + 1
        return Actor(self.world, "driver", lambda actor: self.drive(actor, number, place))

    def lease(self, owner: Owner, sleep, store=None, ttl_s: float = 10.0) -> Lease:  # type: ignore[no-untyped-def]
        return Lease(
            store or self.world.checkpoint,
            owner,
            ttl_s=ttl_s,
            now=self.world.now,
            sleep=sleep,
            owner_gone=lambda other: other.pid in self.ended,
        )

    def drive(self, actor: Actor, number: int, place: int) -> None:
        owner = Owner(f"{number}", "driver", "host", number, None, None, None)
        lease = self.lease(owner, actor.sleep, actor.checkpoint, self.ttls_s[place])
        try:
            self.tokens.append(lease.acquire())
            self.leases[actor] = lease
            for _ in range(20):
                try:
                    lease.renew()
                except ConnectionError:
                    continue
                actor.sleep(0.0)
            lease.release()
        except (ConnectionError, FencedError, LeaseHeldError, UnknownWriteError):
            return
        finally:
            # Only a process that ended on the same host is known to be gone.
            if place == 0:
                self.ended.add(number)


class TestLeases(Leases.TestCase):  # type: ignore[name-defined,misc]
    settings = settings(
        max_examples=400,
        stateful_step_count=50,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
