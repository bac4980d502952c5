"""One driver per run: a lease with a fencing token, on conditional creates alone.

Objects lease/<token>.json are created with If-None-Match and never deleted; the highest token
holds. Invariant: at most one lease is valid at any moment, however long a process, a request or a
response is delayed, as long as clocks run at the same rate within 10 %. No clock is ever compared
with another's:
* the holder renews by replacing its own object with a higher heartbeat count; it is valid for 0.9
  ttl_s from the moment it *began* its last renewal, and a renewal that ends later than that does
  not count: it is fenced for good;
* a challenger takes over only after a read that began ttl_s (the holder's) after it first saw the
  same heartbeat count; by then the holder's validity is over and cannot come back.
"""

import time
import uuid
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

from checkpoints import keys
from checkpoints.commit import Outcome, create_once
from checkpoints.encoding import canonical_json, parse_object
from checkpoints.errors import (
    CorruptObjectError,
    FencedError,
    LeaseExpiredError,
    LeaseHeldError,
)
from checkpoints.owner import Owner, is_surely_gone
from checkpoints.store import Store

FORMAT_VERSION = 1
TTL_S = 150.0
HOLDER_SHARE = 0.9
CHECK_EVERY_S = 5.0


@dataclass(frozen=True, slots=True)
class LeaseRecord:
    """The content of a lease object; `acquisition` makes the bytes unique to one attempt."""

    token: int
    acquisition: str
    owner: Owner
    ttl_s: float
    heartbeat: int
    released: bool


@dataclass(frozen=True, slots=True)
class Sighting:
    """When, by the challenger's clock, this heartbeat count of this token was first seen."""

    token: int
    heartbeat: int
    first_seen_s: float


def may_take_over(
    record: LeaseRecord, sighting: Sighting, *, read_began_s: float, owner_gone: bool
) -> bool:
    """Whether `record`, read by a request that began at `read_began_s`, binds nobody any more."""
    if record.released or owner_gone:
        return True
    same = (sighting.token, sighting.heartbeat) == (record.token, record.heartbeat)
    return same and read_began_s - sighting.first_seen_s >= record.ttl_s


class Lease:
    """The right to drive the run whose `checkpoint` is `store`; not for several threads at once.

    Call `renew` about every `renew_every_s`, from a thread of its own.
    """

    def __init__(
        self,
        store: Store,
        owner: Owner,
        *,
        ttl_s: float = TTL_S,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        owner_gone: Callable[[Owner], bool] = is_surely_gone,
    ) -> None:
        self._store = store
        self._owner = owner
        self._ttl_s = ttl_s
        self._now = now
        self._sleep = sleep
        self._owner_gone = owner_gone
        self._record: LeaseRecord | None = None
        self._renewed_s = 0.0
        self._lost: FencedError | None = None  # why this holder is one no more, for good

    @property
    def renew_every_s(self) -> float:
        """How often to renew: one renewal may fail without harm."""
        return self._ttl_s / 5

    @property
    def token(self) -> int:
        """The fencing token; rises with every holder. FencedError when not held."""
        if self._record is None:
            raise FencedError("the lease is not held")
        return self._record.token

    @property
    def is_valid(self) -> bool:
        """Whether the lease is held and was renewed in time, by this process's clock alone."""
        age_s = self._now() - self._renewed_s
        held = self._record is not None and not self._record.released and self._lost is None
        return held and age_s < self._ttl_s * HOLDER_SHARE

    def acquire(self) -> int:
        """Take the lease; gives the fencing token.

        At once on a new run, after a release, or when the holder's process on this host is gone;
        otherwise watches a silent holder for its ttl. Raises LeaseHeldError when the holder shows
        life or another challenger wins, UnknownWriteError when the store does not answer.
        """
        sighting: Sighting | None = None
        while True:
            read_began_s = self._now()
            top = read_lease(self._store)
            if top is None:
                return self._take(1)
            if sighting is None:
                sighting = Sighting(top.token, top.heartbeat, self._now())
            elif (top.token, top.heartbeat) != (sighting.token, sighting.heartbeat):
                raise LeaseHeldError(
                    f"the run is driven by {top.owner.describe()}, which is alive: attach to it "
                    "with status, or stop it first"
                )
            gone = self._owner_gone(top.owner)
            if may_take_over(top, sighting, read_began_s=read_began_s, owner_gone=gone):
                return self._take(top.token + 1)
            self._sleep(max(0.1, min(top.ttl_s / 10, self._rest_s(top, sighting))))

    def renew(self) -> None:
        """Show life. Raises FencedError (for good) when another driver holds the run or the last
        renewal is too long ago; errors of the store leave the lease as it was."""
        record = self._valid_record()
        began_s = self._now()
        shown = replace(record, heartbeat=record.heartbeat + 1)
        # Counted up before the write, so that a lost response never leads to a repeated count.
        self._record = shown
        self._store.replace(keys.lease_key(shown.token), _encode(shown))
        self._valid_record()
        if _highest_token(self._store) > shown.token:
            self._lost = FencedError(
                "another driver has taken this run over: this one stops; committed results are safe"
            )
        self._valid_record()
        self._renewed_s = began_s

    def check(self) -> None:
        """Raise FencedError unless the lease `is_valid`; asks no store."""
        self._valid_record()

    def release(self) -> None:
        """Give the lease back, so that the next driver starts at once; no error when fenced."""
        record = self._record
        if record is None or record.released:
            return
        self._record = replace(record, heartbeat=record.heartbeat + 1, released=True)
        self._store.replace(keys.lease_key(record.token), _encode(self._record))

    def _take(self, token: int) -> int:
        began_s = self._now()
        record = LeaseRecord(
            token=token,
            acquisition=uuid.uuid4().hex,
            owner=self._owner,
            ttl_s=self._ttl_s,
            heartbeat=0,
            released=False,
        )
        if create_once(self._store, keys.lease_key(token), _encode(record)) is Outcome.THEIRS:
            raise LeaseHeldError("another driver took the run over a moment before this one")
        self._record, self._renewed_s, self._lost = record, began_s, None
        return token

    def _valid_record(self) -> LeaseRecord:
        record = self._record
        if self.is_valid and record is not None:
            return record
        if self._lost is None:
            self._lost = LeaseExpiredError(
                "the store could not be reached, or this process did not run, for so long that the "
                "lease on this run has expired: this driver stops; committed results are safe"
            )
        raise self._lost

    def _rest_s(self, record: LeaseRecord, sighting: Sighting) -> float:
        return sighting.first_seen_s + record.ttl_s - self._now()


class Fence:
    """Tells a coordinator whether the driver it works for still holds the run."""

    def __init__(
        self,
        store: Store,
        token: int,
        *,
        check_every_s: float = CHECK_EVERY_S,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._token = token
        self._check_every_s = check_every_s
        self._now = now
        self._checked_s: float | None = None
        self._fenced = False

    def check(self) -> None:
        """Raise FencedError when a higher token exists; asks the store every `check_every_s`."""
        now_s = self._now()
        fresh = self._checked_s is not None and now_s - self._checked_s < self._check_every_s
        if not self._fenced and not fresh:
            self._fenced = _highest_token(self._store) > self._token
            self._checked_s = now_s
        if self._fenced:
            raise FencedError(
                f"another driver holds this run (token {self._token} is old): stop, write nothing"
            )


def read_lease(store: Store) -> LeaseRecord | None:
    """The record with the highest token; None before the first. CorruptObjectError."""
    token = _highest_token(store)
    if token == 0:
        return None
    key = keys.lease_key(token)
    try:
        value: dict[str, Any] = parse_object(key, store.read(key), newest_format=FORMAT_VERSION)
        return LeaseRecord(
            token=value["token"],
            acquisition=value["acquisition"],
            owner=Owner(**value["owner"]),
            ttl_s=value["ttl_s"],
            heartbeat=value["heartbeat"],
            released=value["released"],
        )
    except (KeyError, TypeError, FileNotFoundError) as error:
        raise CorruptObjectError(f"{key} is no lease record: {error}") from error


def _highest_token(store: Store) -> int:
    """0 when there is none."""
    tokens = (keys.parse_lease_key(info.key) for info in store.list(keys.LEASES))
    return max((token for token in tokens if token is not None), default=0)


def _encode(record: LeaseRecord) -> bytes:
    return canonical_json({"format_version": FORMAT_VERSION, **asdict(record)})
