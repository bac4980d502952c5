"""What the exit code of `gleaner` means. Scripts and schedulers rely on it; it does not change.

| code | meaning                                            | what to do                       |
|------|----------------------------------------------------|----------------------------------|
| 0    | done: completed, proven, valid                     |                                  |
| 1    | failed, or verify found it not proven              | read the message                 |
| 2    | bad usage, bad job spec, no run there              | correct it; nothing was started  |
| 3    | Ray or a store is not reachable, or denies access  | check address, network, rights   |
| 4    | the run was cancelled                              | `gleaner run` takes it up again  |
| 5    | another driver holds the run                       | `gleaner status`; wait           |
| 6    | the place holds a run of other work                | another output, or the old spec  |
| 7    | the store does not honour conditional writes       | use another store                |
| 8    | nothing could be certified that pays               | read why; more labels, or no     |
|      |                                                    | cascade                          |
| 70   | a fault in Gleaner                                 | report it with --debug           |
| 130  | stopped by Ctrl-C or SIGTERM                       | start it again; it resumes       |
"""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """The exit codes."""

    DONE = 0
    FAILED = 1
    BAD_USAGE = 2
    UNREACHABLE = 3
    CANCELLED = 4
    DRIVER_ALIVE = 5
    CHANGED_RUN = 6
    UNSAFE_STORE = 7
    NOT_CERTIFIED = 8
    FAULT = 70
    INTERRUPTED = 130


def exit_of_state(state: str, *, was_interrupted: bool = False) -> Exit:
    """The exit code of a run that ended in `state`."""
    if state == "completed":
        return Exit.DONE
    if state == "failed":
        return Exit.FAILED
    return Exit.INTERRUPTED if was_interrupted else Exit.CANCELLED
