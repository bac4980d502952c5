"""Errors as a person at a terminal needs them: one line, the way out, an exit code."""

from __future__ import annotations

import errno
from dataclasses import dataclass

from jobs.exit_codes import Exit

_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT})


class CommandError(Exception):
    """A command cannot go on, for a reason that a person can act on."""

    def __init__(self, wrong: str, remedy: str, exit_code: Exit) -> None:
        super().__init__(f"{wrong} - {remedy}")
        self.exit_code = exit_code


@dataclass(frozen=True, slots=True)
class Explained:
    """What to print for an error, and what to exit with."""

    lines: tuple[str, ...]
    exit_code: Exit


def explain(error: BaseException) -> Explained:
    """The words and the exit code for any error that reaches the top of a command."""
    from checkpoints import errors as stores
    from jobs.spec.errors import SpecError
    from pipeline.certification.route_errors import RouteError, RouteRefusedError
    from pipeline.loaders import input_errors as inputs

    match error:
        case CommandError():
            return _one(str(error), "", error.exit_code)
        case SpecError():
            return Explained(tuple(str(p) for p in error.problems), Exit.BAD_USAGE)
        case stores.LeaseExpiredError():
            remedy = "start again: it resumes, or says who has taken the run over"
            return _one(error, remedy, Exit.UNREACHABLE)
        case stores.LeaseHeldError() | stores.FencedError():
            return _one(error, "watch it with `gleaner status`", Exit.DRIVER_ALIVE)
        case stores.ChangedRunError():
            remedy = "restore the job as it was, or give it another output and checkpoint"
            return _one(error, remedy, Exit.CHANGED_RUN)
        case stores.UnsafeStoreError():
            return _one(error, "use a store that honours If-None-Match", Exit.UNSAFE_STORE)
        case stores.NoRunError():
            return _one(
                error,
                "check the URIs in the job file, or start it with `gleaner run`",
                Exit.BAD_USAGE,
            )
        case stores.NewerFormatError():
            return _one(error, "upgrade gleaner", Exit.BAD_USAGE)
        case stores.StoreError():
            return _one(error, "nothing was deleted; start again, it resumes", Exit.FAILED)
        case PermissionError():
            return _one(error, "check credentials and rights", Exit.UNREACHABLE)
        case ConnectionError() | TimeoutError():
            return _one(
                error, "check address and network; then start again, it resumes", Exit.UNREACHABLE
            )
        case FileNotFoundError():
            remedy = "create it, or correct input, output, checkpoint and model in the job file"
            return _one(error, remedy, Exit.BAD_USAGE)
        case OSError() if error.errno in _NO_ROOM:
            return _one(
                error, "make room on that disk; then start again, it resumes", Exit.UNREACHABLE
            )
        case OSError():
            return _one(
                error,
                "check the disk or store that it names; then start again, it resumes",
                Exit.UNREACHABLE,
            )
        # Not imported: its file imports Ray, and most commands do without.
        case RuntimeError() if type(error).__name__ == "EngineStartError":
            return _one(error, "correct the tier; --debug shows the engine's log", Exit.FAILED)
        case KeyboardInterrupt():
            return _one("stopped", "start it again; it resumes", Exit.INTERRUPTED)
        case inputs.InputAccessError() | inputs.InputUnavailableError():
            return _one(error, "", Exit.UNREACHABLE)
        case inputs.InputChangedError():
            return _one(error, "", Exit.CHANGED_RUN)
        case RouteRefusedError():
            return _one(error, "", Exit.NOT_CERTIFIED)
        case inputs.InputError() | RouteError():
            return _one(error, "", Exit.BAD_USAGE)
        case _:
            return _one(f"{type(error).__name__}: {error}", "--debug shows where", Exit.FAULT)


def _one(what: object, remedy: str, exit_code: Exit) -> Explained:
    text = " ".join(str(what).split())
    return Explained((f"{text} - {remedy}" if remedy else text,), exit_code)
