"""Rules: which tier a document starts at, decided from its facts before anything is generated.

Boundary: pure. What comes after the first answer is the coordinator's matter.
Invariant: the first rule all of whose conditions hold decides; without one, `otherwise` does.
"""

from dataclasses import dataclass

from pipeline.routing.conditions import Condition, field_asked
from pipeline.routing.facts import Facts


@dataclass(frozen=True, slots=True)
class Rule:
    """Documents for which every condition holds start at this tier."""

    name: str
    when: tuple[Condition, ...]  # at least one; the cheap ones first, since the first no ends it
    tier: str


@dataclass(frozen=True, slots=True)
class Rules:
    """All rules of a route in their order, and the tier of documents that none of them names."""

    rules: tuple[Rule, ...] = ()
    otherwise: str | None = None  # None: there are no rules

    @property
    def fields(self) -> frozenset[str]:
        """The fields of a document that some condition is about."""
        asked = (field_asked(condition) for rule in self.rules for condition in rule.when)
        return frozenset(name for name in asked if name is not None)


NO_RULES = Rules()


@dataclass(frozen=True, slots=True)
class Chosen:
    """Where a document starts, and why."""

    tier: str
    rule: str | None  # None: no rule matched
    reason: str


@dataclass(frozen=True, slots=True)
class Checked:
    """One condition of a rule as it came out for a document."""

    holds: bool
    words: str


def choose(rules: Rules, facts: Facts) -> Chosen | None:
    """Where the document with these facts starts; None when there are no rules.

    No fact is asked for that does not decide.
    """
    for rule in rules.rules:
        if all(condition.holds(facts) for condition in rule.when):
            words = "; ".join(_words(condition, facts) for condition in rule.when)
            return Chosen(rule.tier, rule.name, words)
    return None if rules.otherwise is None else Chosen(rules.otherwise, None, "no rule matches")


def check(rule: Rule, facts: Facts) -> tuple[Checked, ...]:
    """Every condition of a rule, for a person who asks why it matched or not."""
    return tuple(Checked(one.holds(facts), _words(one, facts)) for one in rule.when)


def _words(condition: Condition, facts: Facts) -> str:
    return f"{condition.seen(facts)} ({condition})"
