"""Whether a store keeps the promises on which the commit protocol stands: tried, not trusted.

Invariant: every object written here is under one fresh prefix and is removed again, unless the
store refuses that too; the first error is the one that is raised.
"""

import threading
import uuid
from concurrent.futures import ThreadPoolExecutor

from checkpoints import keys
from checkpoints.commit import Outcome, create_once
from checkpoints.errors import UnsafeStoreError
from checkpoints.store import Store

RACERS = 32
_REMEDY = (
    "Results could be lost or overwritten here: use AWS S3, another store that enforces "
    "If-None-Match on PutObject, or a local folder"
)


def check_store(store: Store) -> None:
    """Prove conditional create, read-after-write, list-after-write, replace and delete.

    Raises UnsafeStoreError naming the operation that misbehaved and the remedy; PermissionError,
    FileNotFoundError (no such bucket), ConnectionError and TimeoutError come from the store.
    """
    probe_id = uuid.uuid4().hex
    plain, raced = keys.preflight_key(probe_id, "plain"), keys.preflight_key(probe_id, "raced")
    try:
        _check_create(store, plain)
        _check_listed(store, plain, probe_id)
        _check_replace(store, plain)
        _check_race(store, raced)
    except Exception as error:
        # What failed first is what a person has to mend; it must not be hidden by this deletion.
        try:
            store.delete([plain, raced])
        except OSError as left:
            error.add_note(f"{plain} and {raced} may be left behind: {left}")
        raise
    store.delete([plain, raced])
    _check_gone(store, plain, raced)


def _check_create(store: Store, key: str) -> None:
    first, second = b"first " + key.encode(), b"second " + key.encode()
    try:
        outcome = create_once(store, key, first)
    except (ConnectionError, TimeoutError, PermissionError, FileNotFoundError):
        raise
    except OSError as error:
        raise UnsafeStoreError(f"create of a new object fails: {error}. {_REMEDY}") from error
    if outcome is not Outcome.OURS or store.read(key) != first:
        raise _unsafe("a read after a create gives other bytes")
    try:
        store.create(key, second)
    except FileExistsError:
        pass
    else:
        raise _unsafe("a create of an existing object succeeds (If-None-Match is ignored)")
    if store.read(key) != first:
        raise _unsafe("a refused create changed the object all the same")


def _check_listed(store: Store, key: str, probe_id: str) -> None:
    listed = [info.key for info in store.list(keys.preflight_key(probe_id, ""))]
    if listed != [key]:
        raise _unsafe(f"a list after a create gives {listed}")


def _check_replace(store: Store, key: str) -> None:
    store.replace(key, b"replaced")
    if store.read(key) != b"replaced" or store.read_tail(key, 3) != b"ced":
        raise _unsafe("a read after a replace gives other bytes")


def _check_race(store: Store, key: str) -> None:
    """Many creators at once, by the very protocol that commits results: one may be told "ours"."""
    start = threading.Barrier(RACERS)

    def race(number: int) -> Outcome:
        start.wait()
        return create_once(store, key, f"racer {number}".encode())

    with ThreadPoolExecutor(RACERS) as pool:
        outcomes = list(pool.map(race, range(RACERS)))
    winners = [number for number, outcome in enumerate(outcomes) if outcome is Outcome.OURS]
    if len(winners) != 1:
        raise _unsafe(f"{len(winners)} of {RACERS} racing creates of one object succeed")
    if store.read(key) != f"racer {winners[0]}".encode():
        raise _unsafe("after racing creates the object is not the winner's")


def _check_gone(store: Store, *gone: str) -> None:
    for key in gone:
        try:
            store.read(key)
        except FileNotFoundError:
            continue
        raise _unsafe("an object can be read after its deletion")


def _unsafe(what: str) -> UnsafeStoreError:
    return UnsafeStoreError(f"this store is not safe for results: {what}. {_REMEDY}")
