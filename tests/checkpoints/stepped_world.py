"""A little world in which every store operation is a step that a test schedules, fails or delays.

Each actor runs real protocol code in a thread; before every store operation it waits for its turn,
so that one thread runs at a time and a test decides the order and the fate of every operation.
"""

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from checkpoints.memory_store import MemoryStore
from checkpoints.store import ObjectInfo


class Fate(Enum):
    """What becomes of one store operation."""

    DONE = "done"
    CRASH_BEFORE = "the process dies, the operation never happened"
    CRASH_AFTER = "the operation landed, the process dies before it knows"
    LOST_RESPONSE = "the operation landed, the caller sees a broken connection"
    HIDDEN_RETRY = "the operation landed, the store's own retry of it meets its result"
    LOST_REQUEST = "the operation never happened, the caller sees a broken connection"
    LATE = "the caller sees a broken connection, the operation lands some time later"
    CRASH_LATE = "the process dies, its operation lands some time later"


class Crashed(BaseException):
    """The process is gone: no `except`, no `finally` of it matters any more."""


@dataclass
class World:
    """Two stores, one clock, the writes still under way and what was observed."""

    output: MemoryStore = field(default_factory=MemoryStore)
    checkpoint: MemoryStore = field(default_factory=MemoryStore)
    now_s: float = 0.0
    late: list[Callable[[], None]] = field(default_factory=list)

    def now(self) -> float:
        return self.now_s


class Actor:
    """A process: `work(actor)` runs until its next store operation, whenever it is stepped."""

    def __init__(self, world: World, name: str, work: "Callable[[Actor], None]") -> None:
        self.world = world
        self.name = name
        self.output = SteppedStore(world.output, self)
        self.checkpoint = SteppedStore(world.checkpoint, self)
        self.crashed = False
        self.ended = False
        self.is_committing = False
        self.trouble: BaseException | None = None
        self._work = work
        self._turn = threading.Semaphore(0)
        self._waiting = threading.Semaphore(0)
        self._fate = Fate.DONE
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        self._waiting.acquire()

    def step(self, fate: Fate = Fate.DONE) -> None:
        """Let the operation before which the actor waits have this fate, and run to the next."""
        if self.ended:
            return
        self._fate = fate
        self._turn.release()
        self._waiting.acquire()
        if self.trouble is not None:
            raise self.trouble

    def kill(self) -> None:
        self.step(Fate.CRASH_BEFORE)

    def pause(self) -> Fate:
        """Called in the actor's thread: wait for the turn, tell the operation's fate."""
        if self.crashed:
            raise Crashed
        self._waiting.release()
        self._turn.acquire()
        return self._fate

    def die(self) -> None:
        self.crashed = True
        raise Crashed

    def sleep(self, seconds: float) -> None:
        if self.pause() in (Fate.CRASH_BEFORE, Fate.CRASH_AFTER, Fate.CRASH_LATE):
            self.die()

    def _run(self) -> None:
        try:
            if self.pause() is not Fate.CRASH_BEFORE:
                self._work(self)
        except Crashed:
            self.crashed = True
        except BaseException as trouble:  # noqa: BLE001 - handed to the test's thread by step()
            self.trouble = trouble
        self.ended = True
        self._waiting.release()


class SteppedStore:
    """One actor's view of a store."""

    def __init__(self, inner: MemoryStore, actor: Actor) -> None:
        self._inner = inner
        self._actor = actor

    def create(self, key: str, data: bytes) -> None:
        self._write(lambda: self._inner.create(key, data))

    def replace(self, key: str, data: bytes) -> None:
        self._write(lambda: self._inner.replace(key, data))

    def replace_if(self, key: str, data: bytes, version: str) -> str:
        raise NotImplementedError("the protocol stands without it")

    def read(self, key: str) -> bytes:
        return bytes(self._look(lambda: self._inner.read(key)))

    def read_versioned(self, key: str) -> tuple[bytes, str]:
        raise NotImplementedError("the protocol stands without it")

    def read_tail(self, key: str, length_bytes: int) -> bytes:
        return bytes(self._look(lambda: self._inner.read_tail(key, length_bytes)))

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        return iter(self._look(lambda: [*self._inner.list(prefix)]))

    def delete(self, keys: Iterable[str]) -> None:
        taken = [*keys]
        self._write(lambda: self._inner.delete(taken))

    def _look(self, act: Callable[[], Any]) -> Any:
        match self._actor.pause():
            case Fate.DONE | Fate.HIDDEN_RETRY:
                return act()
            case Fate.LOST_REQUEST | Fate.LOST_RESPONSE | Fate.LATE:
                raise ConnectionError("on order")
            case _:
                return self._actor.die()

    def _write(self, act: Callable[[], None]) -> None:
        self._actor.is_committing = self._inner is self._actor.world.output
        fate = self._actor.pause()
        self._actor.is_committing = False
        if fate in (Fate.DONE, Fate.HIDDEN_RETRY, Fate.LOST_RESPONSE, Fate.CRASH_AFTER):
            try:
                act()
                if fate is Fate.HIDDEN_RETRY:
                    act()
            except FileExistsError:
                if fate in (Fate.DONE, Fate.HIDDEN_RETRY):
                    raise
        if fate in (Fate.LATE, Fate.CRASH_LATE):
            self._actor.world.late.append(act)
        if fate in (Fate.LOST_REQUEST, Fate.LOST_RESPONSE, Fate.LATE):
            raise ConnectionError("on order")
        if fate in (Fate.CRASH_BEFORE, Fate.CRASH_AFTER, Fate.CRASH_LATE):
            self._actor.die()


def land(write: Callable[[], None]) -> None:
    """A delayed write reaches the store; a refused condition reaches nobody."""
    with suppress(FileExistsError):
        write()
