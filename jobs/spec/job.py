"""JobSpec: everything a run needs to know, as one strict and frozen value.

Boundary: values and their rules. Reading the file, `${NAME}` and paths are `file`'s; the
words of an error are `errors`'s; turning the spec into a pipeline is `wiring`'s.
Invariant: a JobSpec that exists is consistent in itself: names resolve, locations do not overlap.
"""

from __future__ import annotations

from pydantic import Field, model_validator

from jobs.spec.base import Part, Slug, Text, refusal
from jobs.spec.checks import cross_checks, default_checkpoint
from jobs.spec.input import InputSpec
from jobs.spec.limits import LimitsSpec
from jobs.spec.route import Route, RouteSpec
from jobs.spec.spot import SpotSpec
from jobs.spec.task import TaskSpec
from jobs.spec.tiers import TierSpec


class JobSpec(Part):
    """A Gleaner job: one task over many documents."""

    name: Slug
    """The name of the job: lower-case letters, digits, - and _."""
    input: InputSpec
    """The documents, and where in them the id and the text are."""
    task: TaskSpec
    """What the model is asked about each document, and what an answer is."""
    tiers: tuple[TierSpec, ...] = Field(min_length=1)
    """The models, cheap to strong; at least one."""
    route: Route = RouteSpec()
    """Which tiers answer a document: the name of one, or how each document finds its own. None: the
    first tier."""
    output: Text
    """Where results go: a local folder or s3://bucket/prefix."""
    checkpoint: Text = Field(
        default_factory=lambda data: default_checkpoint(data.get("output")) or "unknown"
    )
    """Where a resume finds its state, outside input and output. By default <output>-checkpoint."""
    limits: LimitsSpec = LimitsSpec()
    """When to give up, how often to try, how much to have in flight."""
    spot: SpotSpec = SpotSpec()
    """Where nodes learn that their machine goes."""

    @model_validator(mode="after")
    def _parts_agree(self) -> JobSpec:
        tree = self.model_dump(mode="json")
        if "checkpoint" not in self.model_fields_set:
            del tree["checkpoint"]
        problems = cross_checks(tree)
        if problems:
            first = problems[0]
            raise refusal(f"{first.field}: {first.wrong}", first.remedy)
        return self

    @property
    def chosen_tier(self) -> TierSpec:
        """The tier that does the work of policy single; else the first that the route can use."""
        return self.route_tiers[0]

    @property
    def route_tiers(self) -> tuple[TierSpec, ...]:
        """The tiers that the route can use, cheap to strong.

        An answer escalates to stronger tiers only, so those before every named one are left out.
        """
        route, names = self.route, [tier.name for tier in self.tiers]
        if route.policy == "single":
            place = 0 if route.tier is None else names.index(route.tier)
            return self.tiers[place : place + 1]
        if route.policy != "rules" or route.otherwise is None:
            return self.tiers
        starts = [rule.tier for rule in route.rules] + [route.otherwise]
        return self.tiers[min(map(names.index, starts)) :]
