"""Why an engine did not start: vLLM's own process says so in its log, and nowhere else.

Boundary: reads the log that this process and its children write to, where that is a file, as it is
under Ray; finds nothing otherwise.
"""

from __future__ import annotations

import re
from pathlib import Path

TAIL_BYTES = 256 * 1024
STDERR = Path("/proc/self/fd/2")
STDOUT = Path("/proc/self/fd/1")
# A line of a traceback in the log of vLLM's engine process or one of its workers.
ERROR_LINE = re.compile(
    r"^\((?:EngineCore|Worker)[^)]*\).*?\b(?P<error>[A-Z]\w*(?:Error|Exception): .+)$", re.MULTILINE
)
NO_CAUSE = ("Engine core initialization failed", "WorkerProc initialization failed")


def cause_of_start(log: str) -> str | None:
    """The last error that an engine process logged and that is not about another process."""
    found = [match["error"].strip() for match in ERROR_LINE.finditer(log)]
    causes = [one for one in found if not any(words in one for words in NO_CAUSE)]
    return causes[-1] if causes else None


def own_log() -> str:
    """The end of what this process and its children wrote."""
    return "\n".join(_tail(path) for path in (STDOUT, STDERR))


def _tail(path: Path) -> str:
    if not path.is_file():  # a terminal or a pipe
        return ""
    with path.open("rb") as file:
        file.seek(max(0, file.seek(0, 2) - TAIL_BYTES))
        return file.read().decode(errors="replace")
