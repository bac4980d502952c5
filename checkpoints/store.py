"""The seam to durable storage: one flat set of objects under one root.

Boundary: bytes in, bytes out; errors are builtins, so that an implementation needs no import of
ours. Invariant: an object is visible whole or not at all, and `create` on one key succeeds at most
once.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """One listed object; `key` is relative to the store's root."""

    key: str
    size_bytes: int


class ObjectLike(Protocol):
    """What a listing yields: an `ObjectInfo`, or the like from a store that does not import us."""

    @property
    def key(self) -> str:
        """The key relative to the store's root."""
        ...

    @property
    def size_bytes(self) -> int:
        """The object's size."""
        ...


class Store(Protocol):
    """Objects under one root; keys are relative and separated by '/'.

    Every method may raise PermissionError (the message names action and key), ConnectionError or
    TimeoutError (the store's own retries are used up) and OSError (anything else, e.g. a full
    disk). Safe to use from several threads.
    """

    def create(self, key: str, data: bytes) -> None:
        """Write `key` only if it is absent.

        FileExistsError: it exists, or a retry of this very call had landed before.
        ConnectionError, TimeoutError: the write MAY have landed, now or later.
        """
        ...

    def replace(self, key: str, data: bytes) -> None:
        """Write `key` whether or not it exists; readers see the old or the new bytes."""
        ...

    def replace_if(self, key: str, data: bytes, version: str) -> str:
        """Write `key` if its version is still `version`; gives the new version.

        FileExistsError: the version moved (or a retry of this very call had landed before).
        FileNotFoundError: the object is gone.
        """
        ...

    def read(self, key: str) -> bytes:
        """The whole object; FileNotFoundError when absent."""
        ...

    def read_versioned(self, key: str) -> tuple[bytes, str]:
        """The whole object and its version; FileNotFoundError when absent."""
        ...

    def read_tail(self, key: str, length_bytes: int) -> bytes:
        """The last `length_bytes` bytes, all of a shorter object; FileNotFoundError when absent."""
        ...

    def list(self, prefix: str) -> Iterator[ObjectLike]:
        """Every object whose key starts with `prefix`, lazily, in no promised order."""
        ...

    def delete(self, keys: Iterable[str]) -> None:
        """Remove the objects; a missing one is no error."""
        ...
