"""Create an object exactly once and know whose it is: ours, theirs or unknown.

Invariant: an outcome is only reported when the stored bytes were seen or the store confirmed the
write. `data` must be unique to its writer where "ours" and "theirs" have to differ (results carry
a write_id).
"""

from enum import Enum

from checkpoints.errors import UnknownWriteError
from checkpoints.keys import result_key
from checkpoints.store import Store

ATTEMPTS = 4


class Outcome(Enum):
    """Whose object is stored now."""

    OURS = "ours"
    THEIRS = "theirs"


def commit_result(store: Store, shard: int, data: bytes) -> Outcome:
    """Commit a shard's result object under `output`.

    OURS and THEIRS both prove the shard done. Raises UnknownWriteError: delete nothing, look again.
    """
    return create_once(store, result_key(shard), data)


def create_once(store: Store, key: str, data: bytes) -> Outcome:
    """Create `key` with `data` unless it exists; tell whose bytes are stored.

    A store answers "exists" also to the retry of a write of ours whose response was lost, so the
    object is read back. After a lost response with nothing stored yet, the same bytes are sent
    again: whichever copy lands, it is ours. Raises UnknownWriteError when the object cannot be
    seen.
    """
    trouble: Exception = UnknownWriteError("no attempt was made")
    for _ in range(ATTEMPTS):
        try:
            store.create(key, data)
        except FileExistsError as error:
            trouble = error
        except (ConnectionError, TimeoutError) as error:
            trouble = error
        else:
            return Outcome.OURS
        try:
            stored = store.read(key)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise _unknown(key, error) from error
        return Outcome.OURS if stored == data else Outcome.THEIRS
    raise _unknown(key, trouble) from trouble


def _unknown(key: str, trouble: Exception) -> UnknownWriteError:
    return UnknownWriteError(
        f"create {key}: the write may have landed, but the object cannot be read back ({trouble}). "
        "Nothing was deleted; a resume will see what is stored"
    )
