"""The run under rehearsal: `gleaner run` in a process of its own, killed and started again.

Boundary: knows the command line and the run's status object; nothing of nodes.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

STOP_S = 60.0  # for a clean end
LOG_END = 2000  # characters


class DriverProcess:
    """One `gleaner run` after the other; a context manager that leaves none behind."""

    def __init__(self, job: Path, address: str, environment: Mapping[str, str]) -> None:
        self._job = job
        self._address = address
        self._environment = environment
        self._process: subprocess.Popen[bytes] | None = None
        self.starts = 0

    def __enter__(self) -> DriverProcess:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self) -> None:
        """Start the command; the same for every attempt."""
        self.starts += 1
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "jobs", "run", str(self._job)),
                    *("--address", self._address),
                ],
                env=dict(self._environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    @property
    def log(self) -> Path:
        """What the latest attempt says."""
        return self._job.with_name(f"driver-{self.starts}.log")

    @property
    def exit_code(self) -> int | None:
        """That of the latest attempt; None while it goes on, negative when it was killed."""
        return None if self._process is None else self._process.poll()

    def last_words(self) -> str:
        """The end of the latest attempt's log."""
        return self.log.read_text(errors="replace")[-LOG_END:]

    def kill(self) -> None:
        """SIGKILL, if it still goes on."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def stop(self) -> None:
        """Ask it to end cleanly; kill it if it does not."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.kill()
