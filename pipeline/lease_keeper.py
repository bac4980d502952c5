"""Holds a lease for as long as a `with` block lasts, renewing it from a thread of its own.

Boundary: the protocol is `checkpoints/lease.py`'s; here is only the thread.
Invariant: once a renewal said that the lease is lost, `check` raises for ever.
"""

from __future__ import annotations

import contextlib
import threading
from types import TracebackType

from checkpoints.errors import FencedError
from checkpoints.lease import Lease


class LeaseKeeper:
    """Acquires on entry, releases on exit."""

    def __init__(self, lease: Lease) -> None:
        self._lease = lease
        self._is_leaving = threading.Event()
        self._lost: FencedError | None = None
        self._thread = threading.Thread(target=self._renew_for_ever, name="lease", daemon=True)

    def __enter__(self) -> LeaseKeeper:
        self._lease.acquire()
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._is_leaving.set()
        self._thread.join()
        if self._lost is None:
            with contextlib.suppress(OSError):  # not given back, it expires by itself
                self._lease.release()

    @property
    def token(self) -> int:
        """The fencing token."""
        return self._lease.token

    def check(self) -> None:
        """Raise FencedError once the lease is lost; asks no store."""
        if self._lost is not None:
            raise self._lost
        self._lease.check()

    def _renew_for_ever(self) -> None:
        while not self._is_leaving.wait(self._lease.renew_every_s):
            try:
                self._lease.renew()
            except FencedError as lost:
                self._lost = lost
                return
            except OSError:  # the store is away; the lease expires by itself if it stays away
                continue
