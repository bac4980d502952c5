"""Stores that fail, and processes that die at a store operation."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TypeVar

from checkpoints.store import ObjectInfo, Store

T = TypeVar("T")


class Killed(SystemExit):
    """The process ends here; asyncio lets a SystemExit through."""


class Life:
    """One process: counts its store operations, and fails or dies at chosen ones.

    `faults` maps an operation's number (from 1) to whether it lands before it fails with
    ConnectionError; the process is killed at operation `killed_at`, which lands or not.
    """

    def __init__(
        self,
        killed_at: int | None = None,
        *,
        lands: bool = False,
        faults: Mapping[int, bool] | None = None,
    ) -> None:
        self.operations = 0
        self.log: list[str] = []
        self.is_over = False
        self.fails: Callable[[str], bool] = lambda _: False  # asked with "create key" and the like
        self._killed_at = killed_at
        self._lands = lands
        self._faults = faults or {}

    def step(self, name: str, act: Callable[[], T]) -> T:
        if self.is_over:
            raise Killed
        self.operations += 1
        self.log.append(name)
        if self.operations == self._killed_at:
            if self._lands:
                act()
            self.is_over = True
            raise Killed
        lands = self._faults.get(self.operations)
        if lands is not None or self.fails(name):
            if lands:
                act()
            raise ConnectionError(f"{name}: the store is away")
        return act()


class MortalStore:
    """`store` as a process with this life sees it."""

    def __init__(self, store: Store, life: Life) -> None:
        self._store = store
        self._life = life

    def create(self, key: str, data: bytes) -> None:
        self._life.step(f"create {key}", lambda: self._store.create(key, data))

    def replace(self, key: str, data: bytes) -> None:
        self._life.step(f"replace {key}", lambda: self._store.replace(key, data))

    def replace_if(self, key: str, data: bytes, version: str) -> str:
        return self._life.step(
            f"replace_if {key}", lambda: self._store.replace_if(key, data, version)
        )

    def read(self, key: str) -> bytes:
        return self._life.step(f"read {key}", lambda: self._store.read(key))

    def read_versioned(self, key: str) -> tuple[bytes, str]:
        return self._life.step(f"read {key}", lambda: self._store.read_versioned(key))

    def read_tail(self, key: str, length_bytes: int) -> bytes:
        return self._life.step(f"read {key}", lambda: self._store.read_tail(key, length_bytes))

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        found = self._life.step(f"list {prefix}", lambda: [*self._store.list(prefix)])
        return (ObjectInfo(info.key, info.size_bytes) for info in found)

    def delete(self, keys: Iterable[str]) -> None:
        for key in [*keys]:
            self._life.step(f"delete {key}", lambda key=key: self._store.delete([key]))  # type: ignore[misc]
