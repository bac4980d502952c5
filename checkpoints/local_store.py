"""A `Store` in a local folder (or a shared file system with hard links).

Invariant: a name in the folder appears only by `link` or `rename` of a finished, fsynced temporary
file, so that a crash at any moment leaves whole objects and, at worst, a file under `.tmp`.
"""

import errno
import fcntl
import hashlib
import os
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from checkpoints.store import ObjectInfo

TEMPORARY = ".tmp"
STALE_TEMPORARY_S = 6 * 3600.0

_WAYS_OUT = {
    errno.ENOSPC: "the disk is full: free space, then resume; what is committed is safe",
    errno.EDQUOT: "the quota is used up: free space, then resume; what is committed is safe",
    errno.EROFS: "the file system is read-only: remount it or choose another folder",
    errno.EACCES: "permission denied: grant this user access or choose another folder",
    errno.EPERM: "not permitted (or no hard links here): grant access or choose another folder",
    errno.ENOTSUP: "this file system has no hard links, which are needed: choose another folder",
}


class LocalStore:
    """Objects as files under `root`, which is made at the first write."""

    def __init__(self, root: Path, *, stale_temporary_s: float = STALE_TEMPORARY_S) -> None:
        self.root = Path(root).absolute()
        self._temporary = self.root / TEMPORARY
        self._stale_temporary_s = stale_temporary_s
        self._remove_stale_temporaries()

    def __repr__(self) -> str:
        return f"LocalStore({str(self.root)!r})"

    def __reduce__(self) -> tuple[type["LocalStore"], tuple[Path]]:
        return type(self), (self.root,)

    def create(self, key: str, data: bytes) -> None:
        """See `Store.create`."""
        path = self._path(key)
        with self._explained("create", key), self._temporary_file(data) as temporary:
            _make_parents_for(path, lambda: os.link(temporary, path))
            _sync_folder(path.parent)

    def replace(self, key: str, data: bytes) -> None:
        """See `Store.replace`."""
        with self._explained("replace", key), self._locked():
            self._replace(key, data)

    def replace_if(self, key: str, data: bytes, version: str) -> str:
        """See `Store.replace_if`; atomic among the users of this folder on one machine."""
        with self._explained("replace", key), self._locked():
            if self.read_versioned(key)[1] != version:
                raise FileExistsError(f"replace {key}: it changed since it was read")
            self._replace(key, data)
        return _version(data)

    def read(self, key: str) -> bytes:
        """See `Store.read`."""
        with self._explained("read", key):
            return self._path(key).read_bytes()

    def read_versioned(self, key: str) -> tuple[bytes, str]:
        """See `Store.read_versioned`."""
        data = self.read(key)
        return data, _version(data)

    def read_tail(self, key: str, length_bytes: int) -> bytes:
        """See `Store.read_tail`."""
        with self._explained("read", key), self._path(key).open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            file.seek(max(0, size - length_bytes))
            return file.read()

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """See `Store.list`; one folder entry at a time, so memory does not grow with the folder."""
        folder, _, _ = prefix.rpartition("/")
        start = self._path(folder) if folder else self.root
        pending = [(str(start), f"{folder}/" if folder else "")]
        while pending:
            path, base = pending.pop()
            with (
                self._explained("list", base),
                suppress(FileNotFoundError, NotADirectoryError),
                os.scandir(path) as entries,
            ):
                for entry in entries:
                    key = base + entry.name
                    if key == TEMPORARY:
                        continue
                    if entry.is_dir():
                        if key.startswith(prefix) or prefix.startswith(key + "/"):
                            pending.append((entry.path, key + "/"))
                    elif key.startswith(prefix):
                        # A file may go between being listed and being looked at.
                        with suppress(FileNotFoundError):
                            yield ObjectInfo(key, entry.stat().st_size)

    def delete(self, keys: Iterable[str]) -> None:
        """See `Store.delete`."""
        for key in keys:
            with self._explained("delete", key):
                self._path(key).unlink(missing_ok=True)

    def _path(self, key: str) -> Path:
        parts = key.split("/")
        if parts[0] == TEMPORARY or any(part in ("", ".", "..") for part in parts):
            raise ValueError(f"{key!r} is not a valid object key")
        return self.root.joinpath(*parts)

    def _replace(self, key: str, data: bytes) -> None:
        path = self._path(key)
        with self._temporary_file(data) as temporary:
            _make_parents_for(path, lambda: os.replace(temporary, path))
            _sync_folder(path.parent)

    @contextmanager
    def _temporary_file(self, data: bytes) -> Iterator[str]:
        self._temporary.mkdir(parents=True, exist_ok=True)
        path = self._temporary / uuid.uuid4().hex
        try:
            with path.open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            yield str(path)
        finally:
            path.unlink(missing_ok=True)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self._temporary.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._temporary / "lock", os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    @contextmanager
    def _explained(self, action: str, key: str) -> Iterator[None]:
        try:
            yield
        except FileExistsError as error:
            if error.errno is None:
                raise
            raise FileExistsError(errno.EEXIST, f"{action} {key}: it exists") from error
        except FileNotFoundError as error:
            raise FileNotFoundError(
                errno.ENOENT, f"{action} {key}: no such object under {self.root}"
            ) from error
        except OSError as error:
            way_out = _WAYS_OUT.get(error.errno or 0, error.strerror or str(error))
            raise OSError(error.errno, f"{action} {key} under {self.root}: {way_out}") from error

    def _remove_stale_temporaries(self) -> None:
        """Remove what crashed writers left; a live writer's file is seconds old."""
        oldest_unix_s = time.time() - self._stale_temporary_s
        with suppress(FileNotFoundError, PermissionError), os.scandir(self._temporary) as entries:
            for entry in entries:
                with suppress(FileNotFoundError, PermissionError):
                    if entry.name != "lock" and entry.stat().st_mtime < oldest_unix_s:
                        os.unlink(entry.path)


def _make_parents_for(path: Path, place: Callable[[], None]) -> None:
    try:
        place()
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        place()


def _sync_folder(folder: Path) -> None:
    """Make the new name itself survive a power failure."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _version(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
