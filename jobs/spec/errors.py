"""What is wrong with a job spec, in lines that a person can act on.

Every line reads `field: what is wrong (value) - what to do`, and all of them come at once.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

_LONGEST_VALUE = 60


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a spec."""

    field: str  # as written in YAML, for example tiers[0].engine.max_num_seqs
    wrong: str
    value: object  # what the spec has there; None when there is nothing to show
    remedy: str

    def __str__(self) -> str:
        shown = "" if self.value is None else f" ({_show(self.value)})"
        return f"{self.field}: {self.wrong}{shown} - {self.remedy}"


class SpecError(Exception):
    """The job spec cannot be used: correct it; nothing was started."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


def problems_of(error: ValidationError, model: type[BaseModel]) -> list[Problem]:
    """pydantic's errors about `model` as problems."""
    return [
        _problem(details, model)
        for details in error.errors(include_url=False)
        if details["loc"]  # root errors are the cross checks, which the loader runs itself
        and not _follows_from_another(details)
    ]


def _follows_from_another(details: ErrorDetails) -> bool:
    """Whether pydantic reports it only because a neighbour is wrong already."""
    if details["type"] == "default_factory_not_called":
        return True
    value = details["input"]
    entries = len(value) if isinstance(value, list | tuple) else 0
    return details["type"] == "too_short" and entries >= details["ctx"]["min_length"]


def _problem(details: ErrorDetails, model: type[BaseModel]) -> Problem:
    kind, context, value = details["type"], details.get("ctx", {}), details["input"]
    field = field_path(details["loc"], model)
    match kind:
        case "gleaner":
            wrong, remedy = str(context["wrong"]), str(context["remedy"])
            return Problem(field, wrong, None if isinstance(value, dict) else value, remedy)
        case "missing":
            return Problem(field, "is missing", None, "add it")
        case "extra_forbidden":
            return Problem(field, "is no field of a job", value, _suggest(details["loc"], model))
        case "union_tag_invalid" | "union_tag_not_found":
            tags = "text, label, json"
            return Problem(f"{field}.type", "is missing or unknown", None, f"use one of: {tags}")
        case "string_type":
            return Problem(field, "should be text", value, "put it in quotes")
        case "int_type" | "int_from_float":
            return Problem(field, "should be a whole number", _quoted(value), "write digits")
        case "float_type":
            return Problem(field, "should be a number", _quoted(value), "write digits")
        case "bool_type":
            return Problem(field, "should be true or false", _quoted(value), "write true or false")
        case "literal_error":
            return Problem(field, "is not allowed", value, f"use {context['expected']}")
        case "string_pattern_mismatch":
            return Problem(field, "has the wrong form", value, f"match {context['pattern']}")
        case "string_too_short":
            return Problem(field, "is empty", None, "write something, or remove the field")
        case "model_type" | "dict_type" | "model_attributes_type":
            return Problem(field, "should hold named fields", value, "indent its fields under it")
        case "tuple_type" | "list_type":
            return Problem(
                field, "should be a list", value, "write [...] or lines that begin with -"
            )
        case "too_short":
            least = context["min_length"]
            return Problem(field, "has too few entries", value, f"give at least {least}")
        case "greater_than" | "greater_than_equal" | "less_than" | "less_than_equal":
            signs = {"gt": "above", "ge": "at least", "lt": "below", "le": "at most"}
            name, bound = next((n, context[n]) for n in signs if n in context)
            side = "low" if name in ("gt", "ge") else "high"
            return Problem(field, f"is too {side}", value, f"use {signs[name]} {bound:g}")
        case _:
            return Problem(
                field, details["msg"], value, "correct it; `gleaner schema` has the rules"
            )


def did_you_mean(name: str, known: Iterable[str]) -> str | None:
    """The remedy for a name that is nearly a known one."""
    close = difflib.get_close_matches(name, list(known), n=1)
    return f"did you mean {close[0]}?" if close else None


def field_path(steps: Sequence[str | int], model: type[BaseModel]) -> str:
    """A pydantic location as it reads in YAML: without union tags, list positions in brackets."""
    path = ""
    for step, _ in _walk(steps, model):
        path += f"[{step}]" if isinstance(step, int) else f".{step}" if path else step
    return path


def _suggest(steps: Sequence[str | int], model: type[BaseModel]) -> str:
    name, owner = list(_walk(steps, model))[-1]
    known = _field_names(owner) if owner else []
    close = difflib.get_close_matches(str(name), known, n=1, cutoff=0.6)
    return f"did you mean {close[0]}?" if close else f"remove it; known are: {', '.join(known)}"


def _walk(
    steps: Sequence[str | int], model: type[BaseModel]
) -> Iterable[tuple[str | int, type[BaseModel] | None]]:
    """Each real step with the model that it is a field of; tags of unions are left out."""
    models: list[type[BaseModel]] = [model]
    is_key = False  # of a mapping whose keys are the user's
    for step in steps:
        if isinstance(step, int) or is_key:
            is_key = False
            yield step, None
            continue
        tagged = [m for m in models if len(models) > 1 and _tag(m) == step]
        if tagged:
            models = tagged
            continue
        owner = models[0] if models else None
        yield step, owner
        field = _field(owner, step)
        models = _models_in(field.annotation) if field else []
        is_key = field is not None and get_origin(field.annotation) is dict


def _tag(model: type[BaseModel]) -> str | None:
    field = model.model_fields.get("type")
    return get_args(field.annotation)[0] if field else None


def _field(model: type[BaseModel] | None, name: str) -> Any:
    fields = model.model_fields if model else {}
    return next((f for n, f in fields.items() if name in (n, f.alias)), None)


def _field_names(model: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()]


def _models_in(annotation: object) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [found for arg in get_args(annotation) for found in _models_in(arg)]


def _quoted(value: object) -> object:
    """Text where none belongs shows its quotes."""
    return json.dumps(value) if isinstance(value, str) else value


def _show(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST_VALUE else line[: _LONGEST_VALUE - 3] + "..."
