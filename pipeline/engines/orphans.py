"""Makes an engine's processes end with the replica that started them.

vLLM runs its engine core, and below it workers, in processes of their own that would outlive a
replica killed by SIGKILL and go on holding the GPU. vLLM imports a worker extension inside them;
importing this one starts a thread that waits for the replica's end and then ends the processes
between it and itself (Linux: pidfd_open(2), readable when the process has ended).
"""

from __future__ import annotations

import os
import select
import signal
import threading

REPLICA_PID = "GLEANER_REPLICA_PID"


class EndWithReplica:
    """An empty vLLM worker extension: being imported is its whole effect."""


def mark_replica() -> None:
    """Called in the replica before the engine starts; what the engine's processes inherit."""
    os.environ[REPLICA_PID] = str(os.getpid())


def end_with(replica_pid: int) -> None:
    """Wait for the replica's end, then SIGKILL the engine core, if it is another, and this one."""
    try:
        ended = os.pidfd_open(replica_pid)
    except ProcessLookupError:  # it has ended already
        pass
    else:
        select.select([ended], [], [])
    parent = os.getppid()
    if parent not in (1, replica_pid):
        os.kill(parent, signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)


_replica_pid = int(os.environ.get(REPLICA_PID, os.getpid()))
if _replica_pid != os.getpid():
    threading.Thread(target=end_with, args=(_replica_pid,), name="orphans", daemon=True).start()
