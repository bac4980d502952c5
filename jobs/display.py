"""Progress of a run while it runs: live on a terminal, in lines elsewhere, as JSON for programs.

Boundary: shows `pipeline.progress.Snapshot`s and decides nothing. A display is a context manager;
`show` is called with each new snapshot, from one thread.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console
from rich.live import Live
from rich.text import Text

from jobs.console import print_json
from jobs.watch.trail import Trail
from jobs.watch.view import live_view
from jobs.wording.interruptions import event_line
from jobs.wording.route import has_choice, news_lines
from jobs.wording.run import error_line, plain_line, state_words
from jobs.wording.watch import warning_lines, watch_lines
from pipeline.node_watch import NodeWatch
from pipeline.progress import Snapshot, State

LINE_EVERY_S = 30.0


class Display(Protocol):
    """What shows progress."""

    def show(self, snapshot: Snapshot) -> None:
        """Take in where the run stands now."""
        ...

    def say(self, line: str) -> None:
        """A line for people, now."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


class News:
    """What of a snapshot must not wait.

    A new state, an interruption, the route and its changes, the first error of a kind. Errors and
    interruptions of earlier attempts are no news.
    """

    def __init__(self) -> None:
        self._state: str | None = None
        self._message: str | None = None
        self._codes: set[str] = set()
        self._events: set[tuple[str, str, float | None, bool]] = set()
        self._route_lines: set[str] = set()
        self._told: tuple[str | None, int] = None, 0
        self._warned: tuple[str | None, float | None] = None, None

    def lines(self, snapshot: Snapshot) -> list[str]:
        """The lines to print at once for this snapshot."""
        lines = []
        if (snapshot.state, snapshot.message) != (self._state, self._message):
            self._state, self._message = snapshot.state, snapshot.message
            lines.append(f"state: {state_words(snapshot)}")
        lines += self._new_in(snapshot)
        return lines

    def _new_in(self, snapshot: Snapshot) -> list[str]:
        lines = []
        for event in snapshot.interruptions.events:
            phase = event.node, event.tier, event.noticed_unix_s, event.ended_unix_s is not None
            if phase not in self._events:
                self._events.add(phase)
                lines.append(event_line(event))
        route = snapshot.route
        for line in news_lines(route) if route is not None and has_choice(route) else []:
            if line not in self._route_lines:
                self._route_lines.add(line)
                lines.append(line)
        lines += self._new_in_watch(snapshot.node_watch)
        for error in snapshot.first_errors:
            if error.code not in self._codes:
                self._codes.add(error.code)
                lines.append(f"first error of its kind: {error_line(error)}")
        return [] if snapshot.state is State.VALIDATING else lines

    def _new_in_watch(self, watch: NodeWatch) -> list[str]:
        """A source, a notice, a trouble and a head that goes are told once each."""
        lines = []
        if watch.nodes and (watch.source, watch.notices) != self._told:
            self._told = watch.source, watch.notices
            lines += watch_lines(watch)[:1]
        if (watch.trouble, watch.head_goes_by_unix_s) != self._warned:
            self._warned = watch.trouble, watch.head_goes_by_unix_s
            lines += warning_lines(watch)
        return lines


class PlainDisplay:
    """A line every 30 seconds, news at once: for logs, pipes and CI."""

    def __init__(self, console: Console, now_s: Callable[[], float] = time.monotonic) -> None:
        self._console, self._now_s = console, now_s
        self._news = News()
        self._next_s = now_s() + LINE_EVERY_S

    def show(self, snapshot: Snapshot) -> None:
        """Print what is due."""
        for line in self._news.lines(snapshot):
            self.say(line)
        now_s = self._now_s()
        if now_s >= self._next_s:
            self._next_s = now_s + LINE_EVERY_S
            self.say(plain_line(snapshot))

    def say(self, line: str) -> None:
        """Print a line with the time of day."""
        self._console.print(Text(f"{time.strftime('%H:%M:%S')} {line}"), soft_wrap=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        return None


class JsonDisplay(PlainDisplay):
    """JSON lines on stdout, as often as the plain display; news for people on stderr."""

    def show(self, snapshot: Snapshot) -> None:
        """Print a JSON line when news or a line is due."""
        news = self._news.lines(snapshot)
        now_s = self._now_s()
        if news or now_s >= self._next_s:
            self._next_s = now_s + LINE_EVERY_S
            print_json({"event": "progress", **asdict(snapshot)})


class LiveDisplay:
    """A view that renews itself on a terminal; news scroll past above it."""

    def __init__(self, console: Console, now_unix_s: Callable[[], float] = time.time) -> None:
        self._console, self._now_unix_s = console, now_unix_s
        self._news, self._trail = News(), Trail()
        self._live = Live(console=console, refresh_per_second=4, transient=False)

    def show(self, snapshot: Snapshot) -> None:
        """Renew the view."""
        for line in self._news.lines(snapshot):
            self.say(line)
        self._trail.note(self._now_unix_s(), snapshot)
        self._live.update(live_view(snapshot, self._trail))

    def say(self, line: str) -> None:
        """Print a line above the view."""
        self._console.print(Text(line, style="yellow"), soft_wrap=True)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._live.stop()


def display_for(console: Console, *, as_json: bool) -> Display:
    """The display that fits where the words go."""
    if as_json:
        return JsonDisplay(console)
    return LiveDisplay(console) if console.is_terminal else PlainDisplay(console)
