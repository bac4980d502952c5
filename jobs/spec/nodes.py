"""A group of nodes in a tier's `nodes` part: where its replicas may run, by the nodes' labels."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, field_validator

from jobs.spec.base import Part, Text, require

_VALUE = r"[a-zA-Z0-9]([a-zA-Z0-9_.-]{0,61}[a-zA-Z0-9])?"
_CONDITION = re.compile(rf"!?({_VALUE}|in\({_VALUE}(, ?{_VALUE})*\))")
_KEY = re.compile(rf"([a-zA-Z0-9.-]{{1,253}}/)?{_VALUE}")
_OWN_FIELDS = {
    "ray.io/market-type": "market",
    "ray.io/accelerator-type": "accelerator",
    "ray.io/availability-zone": "zone",
}


def _condition(text: str) -> str:
    require(
        _CONDITION.fullmatch(text) is not None,
        "is no condition on a label",
        "write value, !value, in(a, b) or !in(a, b); values have letters, digits, '-', '_', '.'",
    )
    return text.replace(" ", "")  # Ray would take a space for a part of the value


Condition = Annotated[Text, AfterValidator(_condition)]


class NodesSpec(Part):
    """Nodes that meet every condition given; without any, every node."""

    market: Literal["spot", "on-demand"] | None = None
    """How the node is paid (label ray.io/market-type)."""
    accelerator: Condition | None = None
    """The GPU type in Ray's words, e.g. L4 or in(L4, A10G) (label ray.io/accelerator-type)."""
    zone: Condition | None = None
    """The zone, e.g. us-east-1a or !us-east-1d (label ray.io/availability-zone)."""
    labels: dict[str, Condition] = Field(default_factory=dict)
    """Further labels, as they were given to `ray start --labels`: value, !value, in(a, b) or
    !in(a, b)."""

    @field_validator("labels")
    @classmethod
    def _label_names_are_free(cls, labels: dict[str, str]) -> dict[str, str]:
        for key in labels:
            require(
                key not in _OWN_FIELDS,
                f"{key} has a field of its own",
                f"use {_OWN_FIELDS.get(key)}",
            )
            require(
                _KEY.fullmatch(key) is not None,
                f"{key} is no name of a label",
                "write name or prefix/name, of letters, digits, '-', '_', '.'",
            )
        return labels

    @property
    def is_any_node(self) -> bool:
        """Whether it asks nothing."""
        return not (self.market or self.accelerator or self.zone or self.labels)
