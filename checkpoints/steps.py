"""What each tier did for a document, and the sums of that over many documents.

Boundary: values and arithmetic; who keeps or escalates an answer, and why, is decided elsewhere.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Step:
    """One tier's part in a document's way.

    `reason` says why its answer was kept or not. `score` is the estimate that the answer is as good
    as the reference's, `features` what it was made from. `answer` is there where two tiers were
    asked to compare them, `loss` where they were compared.
    """

    tier: str
    is_kept: bool
    reason: str
    prompt_tokens: int = 0
    output_tokens: int = 0
    engine_s: float = 0.0  # from the engine's admission of the request to its end
    share_s: float = 0.0  # its part of the engine's time, which all that is held at once share
    cost_usd: float = 0.0
    score: float | None = None
    features: tuple[float, ...] | None = None
    answer: str | None = None
    loss: float | None = None

    @classmethod
    def of_fields(cls, found: Mapping[str, Any]) -> Step:
        """The step that gave these fields; TypeError where none did."""
        features = found["features"]
        return cls(**{**found, "features": None if features is None else tuple(features)})


@dataclass(frozen=True, slots=True)
class Tally:
    """What one tier did for many documents."""

    kept: int = 0
    escalated: Mapping[str, int] = field(default_factory=dict)  # by reason
    prompt_tokens: int = 0
    output_tokens: int = 0
    engine_s: float = 0.0  # of whole engines
    cost_usd: float = 0.0

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            self.kept + other.kept,
            dict(Counter(self.escalated) + Counter(other.escalated))
            if other.escalated
            else self.escalated,
            self.prompt_tokens + other.prompt_tokens,
            self.output_tokens + other.output_tokens,
            self.engine_s + other.engine_s,
            self.cost_usd + other.cost_usd,
        )

    @property
    def documents(self) -> int:
        """Documents that came to this tier."""
        return self.kept + sum(self.escalated.values())

    @classmethod
    def of_step(cls, step: Step) -> Tally:
        """What a single step adds."""
        return cls(
            kept=int(step.is_kept),
            escalated={} if step.is_kept else {step.reason: 1},
            prompt_tokens=step.prompt_tokens,
            output_tokens=step.output_tokens,
            engine_s=step.share_s,
            cost_usd=step.cost_usd,
        )


Tallies = Mapping[str, Tally]
"""By tier."""


@dataclass(frozen=True, slots=True)
class Audited:
    """A document drawn at random: the score of the answer that it would have, and its loss.

    The loss is 0 where the answer is escalated anyway.
    """

    score: float
    loss: float


def added(one: Tallies, other: Tallies) -> Tallies:
    """Both together."""
    if not other:
        return one
    nothing = Tally()
    names = dict.fromkeys((*one, *other))
    return {name: one.get(name, nothing) + other.get(name, nothing) for name in names}


def tallied(steps: Iterable[Step]) -> Tallies:
    """The sums of some steps."""
    found: Tallies = {}
    for step in steps:
        found = added(found, {step.tier: Tally.of_step(step)})
    return found


def audits_of(ways: Iterable[Sequence[Step]]) -> Iterator[Audited]:
    """Of some documents' steps, those that were compared.

    A first answer without a score counts as 0, and later ones, which no threshold is about, as 1.
    """
    for steps in ways:
        for place, step in enumerate(steps):
            if step.loss is not None:
                yield Audited(1.0 if place else step.score or 0.0, step.loss)


def tallies_as_fields(tallies: Tallies) -> dict[str, dict[str, Any]]:
    """Plain values, for JSON."""
    return {name: asdict(tally) for name, tally in tallies.items()}


def tallies_of_fields(found: Mapping[str, Mapping[str, Any]]) -> Tallies:
    """What gave these fields; TypeError where nothing did."""
    return {name: Tally(**fields) for name, fields in found.items()}
