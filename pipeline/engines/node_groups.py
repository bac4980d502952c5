"""Groups of nodes that an engine may run on, by the labels that Ray knows of its nodes.

Boundary: pure; Ray does the placing. Here is how a group is written for Ray, which nodes belong to
it, and what it is called in words.
Source of keys and syntax: ray/_private/label_utils.py and resource_and_label_spec.py (2.60). A
label's condition is `value`, `!value`, `in(a,b)` or `!in(a,b)`, where Ray takes a space for a part
of a value; a node without the label meets the negative ones only. A group without conditions is
every node.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

MARKET = "ray.io/market-type"
ACCELERATOR = "ray.io/accelerator-type"
ZONE = "ray.io/availability-zone"
ROLE = "gleaner.io/role"
SPOT, ON_DEMAND = "spot", "on-demand"

_LIST = re.compile(r"in\((.*)\)")


@dataclass(frozen=True, slots=True)
class NodeGroup:
    """Nodes that meet every condition; None asks nothing."""

    market: str | None = None
    accelerator: str | None = None
    zone: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)  # conditions on further labels

    @property
    def selector(self) -> dict[str, str]:
        """As Ray's `label_selector` takes it."""
        named = {MARKET: self.market, ACCELERATOR: self.accelerator, ZONE: self.zone}
        return {key: value for key, value in named.items() if value is not None} | {**self.labels}

    def __contains__(self, labels: Mapping[str, str]) -> bool:
        """Whether a node with these labels belongs to it."""
        return all(_meets(labels.get(key), value) for key, value in self.selector.items())

    def __str__(self) -> str:
        """For people: `spot, L4, zone us-east-1a`."""
        parts = [self.market, self.accelerator, self.zone and f"zone {self.zone}"]
        parts += [f"{key}={value}" for key, value in self.labels.items()]
        return ", ".join(part for part in parts if part) or "any node"


FOR_ENGINES = NodeGroup(labels={ROLE: "engine"})
NOT_FOR_ENGINES = NodeGroup(labels={ROLE: "!engine"})


def _meets(value: str | None, condition: str) -> bool:
    wanted = condition.removeprefix("!")
    listed = _LIST.fullmatch(wanted)
    values = listed[1].split(",") if listed else [wanted]
    return (value in values) != condition.startswith("!")
