"""Which process holds a lease, and whether it is surely gone.

Boundary: reads /proc only. "Gone" is only ever said of a process of this very boot and this very
pid namespace; of any other it stays unknown, since a pid means nothing elsewhere.
"""

import os
import socket
import uuid
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Owner:
    """One incarnation of one process; `started` is the kernel's start time of the pid."""

    id: str
    name: str
    host: str
    pid: int
    boot_id: str | None
    pid_namespace: str | None
    started: str | None

    def describe(self) -> str:
        """The owner for people."""
        return f"{self.name} (pid {self.pid} on {self.host})"


def this_process(name: str = "gleaner") -> Owner:
    """The running process as a new owner; every call gives another `id`."""
    pid = os.getpid()
    return Owner(
        id=uuid.uuid4().hex,
        name=name,
        host=socket.gethostname(),
        pid=pid,
        boot_id=_boot_id(),
        pid_namespace=_pid_namespace(),
        started=_started(pid),
    )


def is_surely_gone(owner: Owner) -> bool:
    """Whether the process is known to have ended; False also for "cannot know from here"."""
    here = (_boot_id(), _pid_namespace())
    if None in (*here, owner.started) or here != (owner.boot_id, owner.pid_namespace):
        return False
    return _started(owner.pid) != owner.started


def _boot_id() -> str | None:
    try:
        return (_PROC / "sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return None


def _pid_namespace() -> str | None:
    try:
        return os.readlink(_PROC / "self/ns/pid")
    except OSError:
        return None


def _started(pid: int) -> str | None:
    """The process's start time in clock ticks since boot; None when there is no such process."""
    try:
        stat = (_PROC / str(pid) / "stat").read_text()
    except OSError:
        return None
    # The name in parentheses may hold blanks; state is field 3, start time field 22. A zombie
    # process (Z) runs no code any more.
    values = stat.rpartition(")")[2].split()
    return None if values[0] in ("Z", "X") else values[19]
