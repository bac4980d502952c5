"""Addresses of a notice source of one's own: a file, or an HTTP address, per node.

Boundary: text only; `sources/own.py` reads what is there. `{node_id}`, `{node_ip}` and `{hostname}`
stand for the node's, so that one address serves a whole cluster.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, fields

FILE = "file:"
HTTP = ("http://", "https://")
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")


@dataclass(frozen=True, slots=True)
class Place:
    """What an address may say about a node."""

    node_id: str
    node_ip: str
    hostname: str


PLACEHOLDERS = tuple(field.name for field in fields(Place))


def is_own(address: str) -> bool:
    """Whether `address` names a file by its full path, or an HTTP address."""
    return path_of(address).startswith("/") if is_file(address) else address.startswith(HTTP)


def is_file(address: str) -> bool:
    """Whether `address` is meant as a file."""
    return address.startswith(FILE)


def path_of(address: str) -> str:
    """The path of a file's address, `file:/a` or `file:///a`."""
    return address.removeprefix(FILE).removeprefix("//")


def unknown_placeholders(address: str) -> list[str]:
    """Names in braces that stand for nothing."""
    return [name for name in _PLACEHOLDER.findall(address) if name not in PLACEHOLDERS]


def filled(address: str, place: Place) -> str:
    """`address` with its placeholders, which are all known, replaced."""
    return _PLACEHOLDER.sub(lambda found: str(getattr(place, found[1])), address)
