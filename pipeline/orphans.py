"""Makes an engine's process die with the replica that started it.

vLLM runs its engine core in a child process that would outlive a replica killed by SIGKILL and go
on holding the GPU. vLLM imports a worker extension inside that child; importing this one asks the
kernel to end the process when its parent ends (Linux, prctl(2) PR_SET_PDEATHSIG).
"""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


class DieWithParent:
    """An empty vLLM worker extension: being imported is its whole effect."""


def die_with_parent() -> None:
    """From now on SIGKILL this process when its parent ends; at once if that has happened."""
    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
    if os.getppid() == 1:
        os.kill(os.getpid(), signal.SIGKILL)


if multiprocessing.parent_process() is not None:  # so: in vLLM's child, not in the replica itself
    die_with_parent()
