"""What can go wrong with durable state, grouped by what the caller does next.

StoreError
|-- LostRaceError      another writer owns the object: drop the work, carry on
|-- UnknownWriteError  the write may have landed: look again later, delete nothing
|-- FencedError        this process is no longer the driver: stop at once, write nothing more
|   `-- LeaseExpiredError  the store was away for too long: start again, it resumes
|-- LeaseHeldError     another driver is alive: attach to it or wait
|-- ChangedRunError    the place holds a run of other work: a person decides
|-- NoRunError         the place holds no (planned) run: check the URI
|-- NewerFormatError   a newer Gleaner wrote it: upgrade, then resume
|-- UnsafeStoreError   the store cannot hold proofs: choose another
`-- CorruptObjectError stop the run: a person has to look

What a `Store` itself raises are builtins (FileExistsError, FileNotFoundError, PermissionError,
ConnectionError, TimeoutError, OSError); see store.py.
"""

from collections.abc import Sequence


class StoreError(Exception):
    """Base of every error that this package raises about durable state."""


class LostRaceError(StoreError):
    """Another writer owns the object: drop the work and carry on."""


class UnknownWriteError(StoreError):
    """The write may have landed: nothing may be deleted, the object decides when it can be read."""


class FencedError(StoreError):
    """This process is no longer the run's driver: it stops at once and writes nothing more."""


class LeaseExpiredError(FencedError):
    """The lease could not be renewed in time; as far as is known nobody else has taken it."""


class LeaseHeldError(StoreError):
    """Another driver holds the run and is alive."""


class ChangedRunError(StoreError):
    """The place holds a run whose fingerprint differs; `changed` names the parts."""

    def __init__(self, message: str, changed: Sequence[str]) -> None:
        super().__init__(message)
        self.changed = tuple(changed)

    def __reduce__(self) -> tuple[type["ChangedRunError"], tuple[str, tuple[str, ...]]]:
        return type(self), (str(self), self.changed)


class NoRunError(StoreError):
    """The place holds no run, or one that was never planned."""


class NewerFormatError(StoreError):
    """The object was written by a newer format than this version reads."""


class UnsafeStoreError(StoreError):
    """The store does not keep the promises on which the commit protocol stands."""


class CorruptObjectError(StoreError):
    """An object that must be whole is not: stop, a person has to look."""
