"""cancel.json: a user's wish that the run stop; carries no proof.

Boundary: written by anyone who can write the checkpoint, obeyed and removed by the driver.
Invariant: a wish from before a driver came is not its concern, one from after is never lost.
"""

import getpass
import json
import socket
import uuid

from checkpoints import keys
from checkpoints.store import Store


def request_cancel(checkpoint: Store, *, now_unix_s: float) -> None:
    """Ask the driver to stop and keep what is done; asking twice is asking once."""
    wish = {
        "format_version": 1,
        "id": uuid.uuid4().hex,
        "requested_unix_s": now_unix_s,
        "requested_by": f"{getpass.getuser()}@{socket.gethostname()}",
    }
    checkpoint.replace(keys.CANCEL, json.dumps(wish).encode())


def read_cancel(checkpoint: Store) -> bytes | None:
    """The wish that is there, if any."""
    try:
        return checkpoint.read(keys.CANCEL)
    except FileNotFoundError:
        return None


def forget_cancel(checkpoint: Store, wish: bytes | None) -> None:
    """Remove that very wish; a newer one stays."""
    if wish is not None and read_cancel(checkpoint) == wish:
        checkpoint.delete([keys.CANCEL])
