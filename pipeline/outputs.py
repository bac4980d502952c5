"""What an answer must look like, and the canonical form in which it is stored."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeAlias

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, best_match
from referencing import Registry
from referencing.exceptions import Unresolvable
from referencing.jsonschema import DRAFT202012

from pipeline.failures import Code, Failure, failure, shortened

_QUOTED_CHARACTERS = 300


class InvalidSchemaError(ValueError):
    """The schema itself is wrong; the message names the place in it."""


@dataclass(frozen=True)
class FreeText:
    """Any text; stored without blanks around it."""

    def parse(self, text: str, finish_reason: str) -> str | Failure:
        """The stored result, or why there is none."""
        return _not_usable(text, finish_reason) or text.strip()


@dataclass(frozen=True)
class Label:
    """One of some labels; stored as the spec writes it."""

    labels: tuple[str, ...]

    def parse(self, text: str, finish_reason: str) -> str | Failure:
        """The stored result, or why there is none."""
        bad = _not_usable(text, finish_reason)
        if bad is not None:
            return bad
        given = text.strip()
        if given in self.labels:
            return given
        alike = [label for label in self.labels if label.casefold() == given.casefold()]
        if len(alike) == 1:
            return alike[0]
        reason = f"the answer is none of the {len(self.labels)} labels: {_quoted(text)}"
        return failure(Code.INVALID_OUTPUT, reason)


@dataclass(frozen=True)
class JsonObject:
    """JSON that fits a JSON Schema (Draft 2020-12); stored as json.dumps writes it."""

    schema: Mapping[str, Any] = field(hash=False)

    def parse(self, text: str, finish_reason: str) -> str | Failure:
        """The stored result, or why there is none."""
        bad = _not_usable(text, finish_reason)
        if bad is not None:
            return bad
        try:
            value = json.loads(text, parse_constant=_no_constant)
        except (ValueError, RecursionError) as error:
            return failure(
                Code.INVALID_OUTPUT, f"the answer is not JSON ({error}): {_quoted(text)}"
            )
        try:
            wrong = best_match(self._validator.iter_errors(value))
        except RecursionError:
            return failure(Code.INVALID_OUTPUT, f"the answer nests too deep: {_quoted(text)}")
        if wrong is not None:
            reason = f"the answer does not fit the schema at {wrong.json_path}: {wrong.message}"
            return failure(Code.INVALID_OUTPUT, f"{shortened(reason, 500)}; {_quoted(text)}")
        return json.dumps(value, ensure_ascii=False)

    @cached_property
    def _validator(self) -> Draft202012Validator:
        # An empty registry of its own: jsonschema's default one fetches references by HTTP.
        return Draft202012Validator(self.schema, registry=Registry())

    def __getstate__(self) -> dict[str, Any]:
        return {"schema": self.schema}  # the validator is made where it is needed


OutputFormat: TypeAlias = FreeText | Label | JsonObject


def check_schema(schema: object) -> None:
    """Raises InvalidSchemaError unless `schema` is a JSON Schema (Draft 2020-12)."""
    if not isinstance(schema, Mapping):
        raise InvalidSchemaError(f"a schema is a mapping, not {type(schema).__name__}")
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        raise InvalidSchemaError(f"{error.json_path}: {error.message}") from error
    resource = DRAFT202012.create_resource(schema)
    _check_references(resource, Registry().with_resource("", resource).resolver())


def _check_references(resource: Any, resolver: Any) -> None:
    """Every reference leads to a place in the schema; nothing is ever fetched."""
    resolver = resolver.in_subresource(resource)
    contents = resource.contents if isinstance(resource.contents, Mapping) else {}
    for keyword in ("$ref", "$dynamicRef"):
        target = contents.get(keyword)
        if isinstance(target, str):
            try:
                resolver.lookup(target)
            except Unresolvable as error:
                remedy = "put the definition under $defs and refer to #/$defs/..."
                raise InvalidSchemaError(f"{target} is not in the schema: {remedy}") from error
    for part in resource.subresources():
        _check_references(part, resolver)


def _not_usable(text: str, finish_reason: str) -> Failure | None:
    if finish_reason == "length":
        reason = f"the answer was cut off at the token limit: {_quoted(text)}"
        return failure(Code.OUTPUT_TRUNCATED, reason)
    if not text.strip():
        return failure(Code.INVALID_OUTPUT, "the answer is empty")
    return None


def _quoted(text: str) -> str:
    return repr(shortened(text, _QUOTED_CHARACTERS))


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON value")
