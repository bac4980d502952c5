"""How a node of a rehearsal learns that it has to go.

Boundary: the fleet asks for nothing but this seam. A rehearsal announces as AWS does; benchmarks
have a second one, which tells Ray directly.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from infra.spot.local_metadata import LocalMetadata

ENDPOINT = "AWS_EC2_METADATA_SERVICE_ENDPOINT"


class Announcer(Protocol):
    """Tells nodes, by their names, that they go."""

    def environment(self, node: str) -> Mapping[str, str]:
        """What the node's processes need to hear it."""
        ...

    def announce(self, node: str, deadline_unix_s: float) -> None:
        """The node is taken at that moment."""
        ...

    def retract(self, node: str) -> None:
        """A new machine has this name now: nothing is announced to it."""
        ...


class MetadataAnnouncer:
    """Through a metadata service, which the sentinel of each node asks."""

    def __init__(self, metadata: LocalMetadata) -> None:
        self._metadata = metadata

    def environment(self, node: str) -> Mapping[str, str]:
        """Where the node finds its metadata service."""
        return {ENDPOINT: self._metadata.endpoint(node)}

    def announce(self, node: str, deadline_unix_s: float) -> None:
        """Show the node a spot interruption."""
        self._metadata.interrupt(node, deadline_unix_s)

    def retract(self, node: str) -> None:
        """Show the node nothing."""
        self._metadata.clear(node)
