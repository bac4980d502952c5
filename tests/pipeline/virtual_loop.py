"""An event loop with a clock of its own: a second takes no time, and a deadlock is an error.

Threads are simulated: what goes to `asyncio.to_thread` runs in the loop's own thread, `thread_s()`
virtual seconds after it was asked for, so that every run is repeatable and two coordinators
interleave at the store's operations.
"""

import asyncio
import contextlib
import heapq
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class DeadlockError(AssertionError):
    """Nothing is ready and nothing is scheduled: every task waits for another."""


class VirtualLoop(asyncio.SelectorEventLoop):
    _ready: Any
    _scheduled: Any
    _stopping: bool
    _timer_cancelled_count: int

    def __init__(self, thread_s: Callable[[], float] = lambda: 0.0) -> None:
        self.now_s = 0.0
        self.complaints: list[str] = []  # "exception was never retrieved" and the like
        self._thread_s = thread_s
        super().__init__()
        self.set_exception_handler(lambda _, context: self.complaints.append(str(context)))

    def time(self) -> float:
        return self.now_s

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> Any:  # type: ignore[override]
        answer = self.create_future()
        self.call_later(self._thread_s(), _run_into, answer, func, args)
        return answer

    def _run_once(self) -> None:
        while self._scheduled and self._scheduled[0]._cancelled:
            # Like BaseEventLoop, or a cancelled timer would move the clock.
            self._scheduled[0]._scheduled = False
            self._timer_cancelled_count -= 1
            heapq.heappop(self._scheduled)
        if not self._ready and not self._stopping:
            if not self._scheduled:
                raise DeadlockError("every task waits for another")
            self.now_s = max(self.now_s, self._scheduled[0]._when)
        super()._run_once()  # type: ignore[misc]


def _run_into(answer: asyncio.Future[Any], func: Callable[..., Any], args: tuple[Any, ...]) -> None:
    try:
        result = func(*args)
    except Exception as error:  # noqa: BLE001 - as a thread hands it over
        if not answer.done():
            answer.set_exception(error)
    else:
        if not answer.done():
            answer.set_result(result)


async def _and_a_moment(main: Coroutine[Any, Any, T]) -> T:
    """What was cancelled at the very end gets its turn to end."""
    result = await main
    for _ in range(3):
        await asyncio.sleep(0)
    return result


def run(main: Coroutine[Any, Any, T], *, thread_s: Callable[[], float] = lambda: 0.0) -> T:
    """Run to the end; no task may be left over, no error may go unseen."""
    loop = VirtualLoop(thread_s)
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        result = runner.run(_and_a_moment(main))
        left = asyncio.all_tasks(loop)
    assert not left, left
    assert not loop.complaints, loop.complaints
    return result


def run_until_killed(
    main: Coroutine[Any, Any, T], *, thread_s: Callable[[], float] = lambda: 0.0
) -> T | None:
    """Run to the end, or to a SystemExit, as SIGKILL would: then no task runs on. None if so."""
    loop = VirtualLoop(thread_s)
    task = loop.create_task(main)
    try:
        return loop.run_until_complete(task)
    except SystemExit:
        return None
    finally:
        for left in asyncio.all_tasks(loop):
            left._log_destroy_pending = False  # type: ignore[attr-defined]
            # Now, while no loop runs: a garbage collector would do it within a later life's loop.
            with contextlib.suppress(Exception, SystemExit):
                left.get_coro().close()
        loop.close()
