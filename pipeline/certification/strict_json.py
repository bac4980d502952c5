"""Frozen dataclasses as JSON values and back, refusing whatever does not fit.

Boundary: pure; knows str, int, float, bool, Literal, optional values, tuples of one kind and
dataclasses of these. Invariant: what `read_value` gives, `plain_value` gave. JSON has no infinite
numbers: they are the texts "inf" and "-inf".
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

_INFINITE = {"inf": math.inf, "-inf": -math.inf}


class UnfitValueError(ValueError):
    """A value does not fit; the message names its place."""


def plain_value(value: Any) -> Any:
    """What json.dumps writes for a value of a known kind."""
    if is_dataclass(value):
        return {one.name: plain_value(getattr(value, one.name)) for one in fields(value)}
    if isinstance(value, tuple):
        return [plain_value(part) for part in value]
    if isinstance(value, float) and math.isinf(value):
        return "inf" if value > 0 else "-inf"
    return value


def read_value(kind: Any, found: object, *, place: str) -> Any:
    """The value of type `kind` that gave `found`; UnfitValueError names the `place` inside it."""
    origin, choices = get_origin(kind), get_args(kind)
    if is_dataclass(kind):
        return _read_fields(kind, found, place)
    if origin is Literal:
        if found in choices and isinstance(found, str):
            return found
    elif origin in (Union, UnionType):
        if found is None and NoneType in choices:
            return None
        (inner,) = (one for one in choices if one is not NoneType)
        return read_value(inner, found, place=place)
    elif origin is tuple:
        if isinstance(found, list):
            return tuple(
                read_value(choices[0], part, place=f"{place}[{index}]")
                for index, part in enumerate(found)
            )
    elif kind is float:
        if isinstance(found, str) and found in _INFINITE:
            return _INFINITE[found]
        if isinstance(found, int | float) and not isinstance(found, bool) and found == found:
            return float(found)
    elif type(found) is kind:
        return found
    raise UnfitValueError(f"{place}: {_shown(found)} does not fit, expected {_name(kind)}")


def _read_fields(kind: Any, found: object, place: str) -> Any:
    if not isinstance(found, Mapping):
        raise UnfitValueError(f"{place}: {_shown(found)} does not fit, expected an object")
    hints = get_type_hints(kind)
    names = [one.name for one in fields(kind)]
    if missing := [name for name in names if name not in found]:
        raise UnfitValueError(f"{place}.{missing[0]}: is missing")
    if unknown := [name for name in found if name not in names]:
        raise UnfitValueError(f"{place}.{unknown[0]}: is not known")
    values = {name: read_value(hints[name], found[name], place=f"{place}.{name}") for name in names}
    try:
        return kind(**values)
    except ValueError as error:
        raise UnfitValueError(f"{place}: {error}") from error


def _shown(found: object) -> str:
    text = repr(found)
    return text if len(text) <= 80 else f"{text[:80]}..."


def _name(kind: Any) -> str:
    return kind.__name__ if isinstance(kind, type) else str(kind)
