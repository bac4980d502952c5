"""Bytes of input objects, by URI: local paths, s3:// and every other fsspec URL.

Invariant: bytes handed out for a (uri, version) are those of that version. A vanished or changed
object raises InputChangedError; transient errors are retried (for minutes once a run reads) and
then raised as InputUnavailableError; neither ever becomes a row.
"""

import errno
import hashlib
import io
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

import fsspec
import tenacity

from pipeline.loaders.input_errors import (
    InputAccessError,
    InputChangedError,
    InputUnavailableError,
    UnsupportedSchemeError,
)

_T = TypeVar("_T")
_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*)://", re.IGNORECASE)
_TRANSIENT_ERRNOS = frozenset(
    {errno.EIO, errno.EAGAIN, errno.EBUSY, errno.EINTR, errno.ESTALE, errno.ENETUNREACH}
    | {errno.EHOSTUNREACH, errno.ENETDOWN, errno.EMFILE, errno.ENFILE}
)
# Errors of HTTP clients that are no OSError; by name, so that no client has to be imported here.
_TRANSIENT_NAMES = frozenset(
    {"HTTPClientError", "EndpointConnectionError", "ConnectTimeoutError", "ReadTimeoutError"}
    | {"ResponseStreamingError", "ClientPayloadError", "ServerDisconnectedError", "HTTPException"}
)


def is_transient(error: BaseException) -> bool:
    """Whether the same read may succeed a moment later."""
    if isinstance(error, (ConnectionError, TimeoutError)):
        return True
    if isinstance(error, OSError) and error.errno in _TRANSIENT_ERRNOS:
        return True
    return any(base.__name__ in _TRANSIENT_NAMES for base in type(error).__mro__)


RETRIES = tenacity.Retrying(
    retry=tenacity.retry_if_exception(is_transient),
    stop=tenacity.stop_after_attempt(5),
    wait=tenacity.wait_exponential_jitter(initial=0.2, max=5),
    reraise=True,
)
READ_PATIENCE_S = 300.0  # as long as a store is waited for
READ_RETRIES = RETRIES.copy(
    stop=tenacity.stop_after_delay(READ_PATIENCE_S),
    wait=tenacity.wait_exponential_jitter(initial=0.2, max=15),
)


def retried(action: Callable[[], _T], uri: str, retries: tenacity.Retrying | None = None) -> _T:
    """The action's value; InputUnavailableError when transient errors outlast the retries."""
    try:
        return (retries or RETRIES).copy()(action)
    except Exception as error:
        if is_transient(error):
            raise InputUnavailableError(uri, f"{type(error).__name__}: {error}") from error
        raise


def scheme_of(uri: str) -> str:
    """The scheme in lower case, "file" for a plain path."""
    found = _SCHEME.match(uri)
    return found.group(1).lower() if found else "file"


def filesystem(uri: str) -> tuple[Any, str]:
    """The fsspec file system that reads `uri`, and the path in it.

    Raises UnsupportedSchemeError naming the package that is missing.
    """
    scheme = scheme_of(uri)
    options = {} if scheme in ("file", "memory") else {"use_listings_cache": False}
    try:
        found, path = fsspec.url_to_fs(uri, **options)
    except ImportError as error:
        raise UnsupportedSchemeError(
            "input.uri", f"a package to read {scheme}:// is missing", uri, str(error)
        ) from error
    except ValueError as error:
        if "rotocol not known" not in str(error):
            raise
        known = "s3://, gs://, abfs://, https://, a local path"
        raise UnsupportedSchemeError(
            "input.uri", f"nothing reads {scheme}://", uri, f"use one of: {known}"
        ) from error
    return found, path


def uri_of(fs: Any, path: str) -> str:
    """The one URI under which a path of a file system is known; plain and absolute if local."""
    if "file" in protocols(fs):
        return path
    return str(fs.unstrip_protocol(path))


def protocols(fs: Any) -> tuple[str, ...]:
    """The schemes that a file system serves."""
    return (fs.protocol,) if isinstance(fs.protocol, str) else tuple(fs.protocol)


def version_of(fs: Any, path: str, info: Mapping[str, Any] | None = None) -> str:
    """What changes when the object does: its ETag, else its size and time of change.

    `info` is what a listing or an open file says; where that holds neither, the file system is
    asked, because only answers to the same question compare.
    """
    for known in (info, None):
        details = fs.info(path) if known is None else known
        etag = details.get("ETag") or details.get("etag") or details.get("md5Hash")
        if etag:
            return str(etag).strip('"')
        for name in ("mtime", "LastModified", "last_modified", "updated"):
            if details.get(name) is not None:
                return f"{details.get('size')}-{details[name]}"
    text = str(sorted((key, str(value)) for key, value in details.items()))
    return hashlib.sha256(text.encode()).hexdigest()[:32]


class CheckedFile(io.RawIOBase):
    """A readable, seekable input object of one version, whose reads are retried.

    What it raises is InputChangedError, InputAccessError or InputUnavailableError, so that any
    OSError out of a parser above it means that the content is broken, not the way to it.
    """

    def __init__(self, uri: str, version: str) -> None:
        super().__init__()
        self._uri, self._version, self._position = uri, version, 0
        self._fs, self._path = filesystem(uri)
        with _as_input_errors(uri):
            self._file = _read(lambda: self._fs.open(self._path, "rb", cache_type="none"), uri)
            info = getattr(self._file, "details", None)
            if not isinstance(info, dict):
                info = _read(lambda: self._fs.info(self._path), uri)
            found = _read(lambda: version_of(self._fs, self._path, info), uri)
        self.size_bytes = int(info.get("size") or 0)
        if found != version:
            self._file.close()
            raise InputChangedError(uri, "changed")

    def check_unchanged(self) -> None:
        """Raises InputChangedError when a local file was written to while it was read.

        An object store needs no such look: s3fs reads with If-Match.
        """
        if "file" in protocols(self._fs):
            with _as_input_errors(self._uri):
                if version_of(self._fs, self._path) != self._version:
                    raise InputChangedError(self._uri, "changed")

    def read(self, size: int | None = -1) -> bytes:
        """Up to `size` bytes; all the rest for a negative size or None."""
        wanted = self.size_bytes - self._position
        if size is not None and size >= 0:
            wanted = min(size, wanted)
        if wanted <= 0:
            return b""

        def attempt() -> bytes:
            self._file.seek(self._position)
            return bytes(self._file.read(wanted))

        with _as_input_errors(self._uri):
            data = _read(attempt, self._uri)
        if len(data) != wanted:
            raise InputChangedError(self._uri, "became shorter")
        self._position += wanted
        return data

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move as `io.IOBase.seek` does."""
        base = (0, self._position, self.size_bytes)[whence]
        self._position = max(base + offset, 0)
        return self._position

    def tell(self) -> int:
        """The position in bytes."""
        return self._position

    def readable(self) -> bool:
        """Always true."""
        return True

    def seekable(self) -> bool:
        """Always true."""
        return True

    def close(self) -> None:
        """Close the file beneath."""
        if not self.closed and hasattr(self, "_file"):
            self._file.close()
        super().close()


@contextmanager
def opened(uri: str, version: str) -> Iterator[CheckedFile]:
    """The object as a CheckedFile, checked again on the way out."""
    with CheckedFile(uri, version) as file:
        yield file
        file.check_unchanged()


def read_range(uri: str, version: str, start: int, stop: int | None) -> bytes:
    """Bytes start..stop of the object; to its end when stop is None."""
    with opened(uri, version) as file:
        file.seek(start)
        data = file.read(None if stop is None else stop - start)
    if stop is not None and len(data) != stop - start:
        raise InputChangedError(uri, "became shorter")
    return data


def _read(action: Callable[[], _T], uri: str) -> _T:
    """What is planned is there, so it is worth waiting for."""
    return retried(action, uri, READ_RETRIES)


@contextmanager
def _as_input_errors(uri: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise InputChangedError(uri, "vanished") from error
    except PermissionError as error:
        remedy = "grant this process read access to it"
        raise InputAccessError("input.uri", "may not be read", uri, remedy) from error
    except Exception as error:
        if type(error).__name__ == "FileExpired":  # s3fs: the ETag moved while reading
            raise InputChangedError(uri, "changed") from error
        raise


def local_path(uri: str) -> str:
    """A plain local path made absolute, `~` expanded; other URIs unchanged."""
    if scheme_of(uri) != "file":
        return uri
    return os.path.abspath(os.path.expanduser(uri.removeprefix("file://")))
