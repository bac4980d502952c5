"""A `Store` in memory: the fake beside the seam, for tests and dry runs within one process."""

import hashlib
import threading
from collections.abc import Iterable, Iterator

from checkpoints.store import ObjectInfo


class MemoryStore:
    """Objects in a dictionary; each operation is atomic. Not picklable: a copy would diverge."""

    def __init__(self) -> None:
        self._objects: dict[str, bytes] = {}
        self._lock = threading.Lock()

    def __reduce__(self) -> str:
        raise TypeError("a MemoryStore lives in one process; hand out a LocalStore or S3Store")

    def create(self, key: str, data: bytes) -> None:
        """See `Store.create`."""
        with self._lock:
            if key in self._objects:
                raise FileExistsError(f"create {key}: it exists")
            self._objects[key] = bytes(data)

    def replace(self, key: str, data: bytes) -> None:
        """See `Store.replace`."""
        with self._lock:
            self._objects[key] = bytes(data)

    def replace_if(self, key: str, data: bytes, version: str) -> str:
        """See `Store.replace_if`."""
        with self._lock:
            if _version(self._get(key)) != version:
                raise FileExistsError(f"replace {key}: it changed since it was read")
            self._objects[key] = bytes(data)
            return _version(data)

    def read(self, key: str) -> bytes:
        """See `Store.read`."""
        with self._lock:
            return self._get(key)

    def read_versioned(self, key: str) -> tuple[bytes, str]:
        """See `Store.read_versioned`."""
        data = self.read(key)
        return data, _version(data)

    def read_tail(self, key: str, length_bytes: int) -> bytes:
        """See `Store.read_tail`."""
        data = self.read(key)
        return data[max(0, len(data) - length_bytes) :]

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """See `Store.list`; a snapshot of the moment the listing starts."""
        with self._lock:
            found = [(key, len(data)) for key, data in self._objects.items()]
        return (ObjectInfo(key, size) for key, size in found if key.startswith(prefix))

    def delete(self, keys: Iterable[str]) -> None:
        """See `Store.delete`."""
        for key in keys:
            with self._lock:
                self._objects.pop(key, None)

    def _get(self, key: str) -> bytes:
        try:
            return self._objects[key]
        except KeyError as error:
            raise FileNotFoundError(f"read {key}: no such object") from error


def _version(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
