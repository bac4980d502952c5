"""How far a tier's answer is from the reference's: the losses that a promise of quality is about.

Boundary: pure functions on result texts as `outputs.py` makes them canonical; a user's own function
is found and called here. Invariant: a loss is in [0, 1]; 0 is "as good as the reference". Texts are
compared after Unicode normalisation (NFC) with every run of white space as one blank.
"""

from __future__ import annotations

import importlib
import json
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Protocol, TypeAlias

from rapidfuzz.distance import Levenshtein

from pipeline.certification.route_errors import LossFunctionError, UnknownLossError


class Loss(Protocol):
    """How much worse an answer is than the reference: 0 as good, 1 as bad as none."""

    def __call__(self, answer: str, reference: str) -> float:
        """A number in [0, 1]."""
        ...


def exact(answer: str, reference: str) -> float:
    """1 unless the texts are the same."""
    return float(_folded(answer) != _folded(reference))


def label(answer: str, reference: str) -> float:
    """1 unless the labels are the same; case does not count."""
    return float(_folded(answer).casefold() != _folded(reference).casefold())


def fields(answer: str, reference: str) -> float:
    """The share of fields that differ, of all fields that either JSON text has.

    A field is a value that is neither object nor list, at its path through both; lists are compared
    position by position, an empty object or list counts as one field. Numbers are equal as numbers
    (1 and 1.0), true is not 1. A field that only one side has differs. A text that is no JSON is
    compared as a whole.
    """
    try:
        found, wanted = _parsed(answer), _parsed(reference)
        differing, total = _differing(found, wanted)
    except (ValueError, RecursionError):
        return exact(answer, reference)
    return differing / total


def document(answer: str, reference: str) -> float:
    """1 as soon as any field differs; see `fields`."""
    return float(fields(answer, reference) > 0)


def similarity(answer: str, reference: str) -> float:
    """Levenshtein distance in characters, divided by the length of the longer text.

    It measures wording: a paraphrase is far away. Time grows with the product of both lengths
    (about 0.1 s for two texts of 100,000 characters).
    """
    return Levenshtein.normalized_distance(_folded(answer), _folded(reference))


LOSSES: Mapping[str, Loss] = MappingProxyType(
    {
        "exact": exact,
        "label": label,
        "fields": fields,
        "document": document,
        "similarity": similarity,
    }
)

BINARY: frozenset[Loss] = frozenset({exact, label, document})  # never between 0 and 1


@dataclass(frozen=True, slots=True)
class UserLoss:
    """A function of the user's, `package.module:function`, held to what a loss is."""

    name: str
    function: Callable[[str, str], Any]

    def __call__(self, answer: str, reference: str) -> float:
        """What the function gives; LossFunctionError unless that is a number in [0, 1]."""
        try:
            value = float(self.function(answer, reference))
        except Exception as error:  # whatever a user's code raises
            remedy = "correct it, or choose another loss"
            raise LossFunctionError(
                f"loss {self.name} failed with {type(error).__name__}: {error}: {remedy}"
            ) from error
        if not 0 <= value <= 1:
            raise LossFunctionError(
                f"loss {self.name} gave {value}: a loss is in [0, 1], 0 for as good as the "
                "reference"
            )
        return value


def loss_named(name: str) -> Loss:
    """The loss of that name, or the function that `package.module:function` names.

    Raises UnknownLossError where there is none.
    """
    if name in LOSSES:
        return LOSSES[name]
    module, _, attribute = name.partition(":")
    if not (module and attribute):
        raise UnknownLossError(
            f"loss: there is none named {name!r}: choose one of {', '.join(LOSSES)}, or name a "
            "function as package.module:function"
        )
    try:
        function = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise UnknownLossError(
            f"loss: {name!r} cannot be imported ({error}): check the name, and that the module is "
            "installed or on PYTHONPATH"
        ) from error
    if not callable(function):
        raise UnknownLossError(f"loss: {name!r} is no function: name a function of two texts")
    return UserLoss(name, function)


Compared: TypeAlias = Callable[[str | None, str | None], float]
"""How much worse an answer is than the reference's; either may be None: no usable answer."""


def against_reference(loss: Loss) -> Compared:
    """The loss, in [0, 1], also without a usable answer: 1, but 0 where the reference has none."""

    def compared(answer: str | None, reference: str | None) -> float:
        return 0.0 if reference is None else _held(loss, answer, reference)

    return compared


def paired(loss: Loss, gold: str) -> Compared:
    """How much worse than the reference an answer does against the right one: in [-1, 1].

    Negative where the answer is better than the reference, so that help pays for harm. No usable
    answer is as wrong as can be.
    """

    def compared(answer: str | None, reference: str | None) -> float:
        return _held(loss, answer, gold) - _held(loss, reference, gold)

    return compared


def _held(loss: Loss, answer: str | None, against: str) -> float:
    return 1.0 if answer is None else loss(answer, against)


def _folded(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", text).split())


def _parsed(text: str) -> Any:
    return json.loads(text, parse_constant=str)


def _differing(found: Any, wanted: Any) -> tuple[int, int]:
    """How many fields differ, and of how many."""
    match found, wanted:
        case dict(), dict():
            names = found.keys() | wanted.keys()
            missing = (
                _size(found.get(name, wanted.get(name))) for name in found.keys() ^ wanted.keys()
            )
            pairs = [_differing(found[name], wanted[name]) for name in found.keys() & wanted.keys()]
            is_empty = not names
        case list(), list():
            common = min(len(found), len(wanted))
            missing = (_size(value) for value in found[common:] + wanted[common:])
            pairs = [_differing(*both) for both in zip(found, wanted, strict=False)]
            is_empty = not (found or wanted)
        case _:
            total = max(_size(found), _size(wanted))
            return (0 if _is_same(found, wanted) else total), total
    if is_empty:
        return 0, 1
    alone = sum(missing)
    return alone + sum(one for one, _ in pairs), alone + sum(total for _, total in pairs)


def _size(value: Any) -> int:
    """The number of fields in a value."""
    match value:
        case dict() if value:
            return sum(_size(part) for part in value.values())
        case list() if value:
            return sum(_size(part) for part in value)
        case _:
            return 1


def _is_same(found: Any, wanted: Any) -> bool:
    if isinstance(found, str) and isinstance(wanted, str):
        return _folded(found) == _folded(wanted)
    if isinstance(found, bool) or isinstance(wanted, bool):
        return found is wanted
    return bool(found == wanted)
