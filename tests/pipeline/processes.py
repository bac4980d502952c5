"""Processes on one virtual loop that end as by SIGKILL: no task of theirs takes another step.

A task belongs to the process that made it, as does what it hands to a thread or a timer.
"""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Generator
from contextvars import Context, ContextVar, copy_context
from typing import Any

MOST_FINALLYS = 10  # that wait, one around the other, in a coroutine
_HERE: ContextVar["Process | None"] = ContextVar("process", default=None)


class Process:
    """Made inside a loop whose tasks `mortal_task` makes."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.is_over = False
        self.was_killed = False  # from outside; else it ended by its own will, or was told to
        self.when_over: list[Callable[[], None]] = []
        self._tasks: list[asyncio.Task[Any]] = []
        self._context = copy_context()
        self._context.run(_HERE.set, self)

    def start(self, main: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run it in here."""
        context = self._context.copy()
        return asyncio.get_running_loop().create_task(main, context=context)

    def kill(self) -> None:
        self.was_killed |= not self.is_over
        self.end()

    def end(self) -> None:
        if self.is_over:
            return
        self.is_over = True
        for task in self._tasks:
            task._log_destroy_pending = False  # type: ignore[attr-defined]
        for tell in self.when_over:
            tell()

    def bury(self) -> None:
        """End, and let go of what its tasks held; before the loop is closed."""
        self.when_over.clear()
        self.end()
        for task in self._tasks:
            self._context.run(task.get_coro().close)  # type: ignore[union-attr]

    def own(self, task: asyncio.Task[Any]) -> None:
        """Until it is done: a task that nobody holds would be collected, and complain."""
        self._tasks.append(task)


def here() -> Process:
    """The process that this code runs in."""
    found = _HERE.get()
    assert found is not None
    return found


class _Mortal(Coroutine[Any, Any, Any]):
    """A coroutine that is never run again once its process is over; not even what it would tidy."""

    def __init__(self, its: Coroutine[Any, Any, Any], process: Process) -> None:
        self._its = its
        self._process = process

    def send(self, value: Any) -> Any:
        self._check()
        return self._its.send(value)

    def throw(self, *error: Any) -> Any:
        self._check()
        return self._its.throw(*error)

    def close(self) -> None:
        for _ in range(MOST_FINALLYS):
            with contextlib.suppress(Exception):  # it wants to wait for something first
                self._its.close()
                return

    def __await__(self) -> Generator[Any, Any, Any]:
        raise AssertionError("only a task runs it")

    def _check(self) -> None:
        if self._process.is_over:
            raise asyncio.CancelledError


def mortal_task(
    loop: asyncio.AbstractEventLoop,
    coroutine: Coroutine[Any, Any, Any],
    context: Context | None = None,
) -> asyncio.Task[Any]:
    """A task factory for `loop.set_task_factory`."""
    process = _HERE.get() if context is None else context.get(_HERE)
    if process is None:
        return asyncio.Task(coroutine, loop=loop, context=context)
    task = asyncio.Task(_Mortal(coroutine, process), loop=loop, context=context)
    process.own(task)
    return task
