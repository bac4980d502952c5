"""Where a run stands, as one value; and the arithmetic that makes it from counts.

Boundary: pure; time comes in as an argument. Rendered by `jobs/display.py`, stored by `run.py`.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from checkpoints.result import NO_REWORK, Rework
from checkpoints.steps import Tallies, added
from pipeline.fleet import EngineStanding
from pipeline.horizon import Left
from pipeline.interruptions import NO_INTERRUPTIONS, Interruptions
from pipeline.node_watch import UNWATCHED, NodeWatch
from pipeline.routing.route_standing import RouteStanding

RATE_WINDOW_S = 60.0


class State(StrEnum):
    """States of a run, as hosted batch APIs name them."""

    VALIDATING = "validating"
    WAITING_FOR_ENGINES = "waiting_for_engines"
    WAITING_FOR_CAPACITY = "waiting_for_capacity"
    SAMPLING = "sampling"
    IN_PROGRESS = "in_progress"
    FINALIZING = "finalizing"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLING = "cancelling"
    CANCELLED = "cancelled"


FINAL_STATES = frozenset({State.COMPLETED, State.FAILED, State.CANCELLED})


@dataclass(frozen=True, slots=True)
class ErrorExample:
    """One document that has an error of this kind."""

    code: str
    id: str
    reason: str


@dataclass(frozen=True, slots=True)
class ErrorKind:
    """One kind of error: how often so far, and one document that has it, where one is known."""

    code: str
    count: int
    id: str | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class Counts:
    """Documents and tokens of a part of a run."""

    ok: int = 0
    error_codes: Mapping[str, int] = field(default_factory=dict)  # how many errors have which
    restored: int = 0  # of ok + error: taken from earlier attempts, not generated now
    prompt_tokens: int = 0
    output_tokens: int = 0
    rework: Rework = NO_REWORK
    tiers: Tallies = field(default_factory=dict)  # where documents could be asked of several

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.ok + other.ok,
            dict(Counter(self.error_codes) + Counter(other.error_codes))
            if other.error_codes
            else self.error_codes,
            self.restored + other.restored,
            self.prompt_tokens + other.prompt_tokens,
            self.output_tokens + other.output_tokens,
            self.rework + other.rework,
            added(self.tiers, other.tiers),
        )

    @property
    def error(self) -> int:
        """Documents that ended with an error."""
        return sum(self.error_codes.values())

    @property
    def documents(self) -> int:
        """Finished documents."""
        return self.ok + self.error

    @property
    def finished_now(self) -> int:
        """Finished documents without those taken from earlier attempts."""
        return self.documents - self.restored


NO_COUNTS = Counts()


@dataclass(frozen=True, slots=True)
class Post:
    """What a coordinator posts; its counts are cumulative."""

    coordinator: str
    shards: Mapping[int, Counts]
    unsaved: int  # documents that are at engines, or finished and not durable yet
    examples: Sequence[ErrorExample]
    has_flushed: bool
    route_revision: int = 0


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A run at one moment.

    Rates cover the last minute; counts, `elapsed_s` and `cost_usd` all attempts of the run.
    """

    state: State
    run_id: str
    documents_total: int
    documents_ok: int
    documents_error: int
    documents_restored: int
    shards_total: int
    shards_done: int
    prompt_tokens: int
    output_tokens: int
    prompt_tokens_per_s: float
    output_tokens_per_s: float
    documents_per_s: float
    elapsed_s: float
    eta_s: float | None  # None while it cannot be told
    cost_usd: float
    engines_ready: int
    engines_wanted: int
    first_errors: tuple[ErrorKind, ...]
    message: str | None
    unsaved: int = 0  # documents that are at engines, or finished and not durable yet
    interruptions: Interruptions = NO_INTERRUPTIONS
    tiers: Tallies = field(default_factory=dict)  # where documents could be asked of several
    route: RouteStanding | None = None  # likewise
    node_watch: NodeWatch = UNWATCHED
    left: Left | None = None  # between which times it will probably be over
    fleet: tuple[EngineStanding, ...] = ()

    @property
    def documents_finished(self) -> int:
        """Documents that have their row."""
        return self.documents_ok + self.documents_error


def error_kinds(
    error_codes: Mapping[str, int], examples: Mapping[str, ErrorExample]
) -> tuple[ErrorKind, ...]:
    """Every code that was counted, with its example, in the order of the codes."""
    kinds = []
    for code in sorted(error_codes):
        example = examples.get(code)
        id_, reason = (None, None) if example is None else (example.id, example.reason)
        kinds.append(ErrorKind(code, error_codes[code], id_, reason))
    return tuple(kinds)


def starting(message: str) -> Snapshot:
    """A run of which nothing is known yet."""
    return Snapshot(
        state=State.VALIDATING,
        run_id="",
        documents_total=0,
        documents_ok=0,
        documents_error=0,
        documents_restored=0,
        shards_total=0,
        shards_done=0,
        prompt_tokens=0,
        output_tokens=0,
        prompt_tokens_per_s=0.0,
        output_tokens_per_s=0.0,
        documents_per_s=0.0,
        elapsed_s=0.0,
        eta_s=None,
        cost_usd=0.0,
        engines_ready=0,
        engines_wanted=0,
        first_errors=(),
        message=message,
    )


@dataclass(slots=True)
class Pace:
    """Rates over a sliding window, from cumulative counts of work done by this attempt."""

    window_s: float = RATE_WINDOW_S
    _points: deque[tuple[float, Counts]] = field(default_factory=deque)

    def note(self, now_s: float, generated: Counts) -> None:
        """Add the cumulative counts of this attempt at `now_s` (any monotonic clock).

        The window begins with the first document: engines that start are no pace.
        """
        if not generated.finished_now:
            self._points.clear()
        self._points.append((now_s, generated))
        while len(self._points) > 2 and self._points[1][0] <= now_s - self.window_s:
            self._points.popleft()

    def per_second(self) -> tuple[float, float, float]:
        """(documents/s, prompt tokens/s, output tokens/s); zeros before there is a span of time."""
        if len(self._points) < 2:
            return 0.0, 0.0, 0.0
        (first_s, first), (last_s, last) = self._points[0], self._points[-1]
        span_s = last_s - first_s
        if span_s <= 0:
            return 0.0, 0.0, 0.0
        return (
            max(0, last.finished_now - first.finished_now) / span_s,
            max(0, last.prompt_tokens - first.prompt_tokens) / span_s,
            max(0, last.output_tokens - first.output_tokens) / span_s,
        )
