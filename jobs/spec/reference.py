"""The reference of the job file as Markdown, made from the spec itself.

Boundary: reads the JSON Schema of `JobSpec`, in which every field carries its documentation.
Invariant: what a job file may hold is in it, under the name that the file uses; docs/job_file.md is
its output, which a test holds against it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

INTRODUCTION = """\
# The job file

Every field of `job.yaml`, made from the spec by `gleaner schema --markdown`. A field without a
default has to be given. `${NAME}` and `${NAME:-default}` are environment variables; relative paths
start at the job file's folder. `gleaner init` writes a commented example, `gleaner validate` checks
a file, and `gleaner schema` prints the JSON Schema for editors.
"""
NUMBERS = {
    "minimum": "at least {}",
    "exclusiveMinimum": "above {}",
    "maximum": "at most {}",
    "exclusiveMaximum": "below {}",
}


def reference(schema: Mapping[str, Any]) -> str:
    """Markdown with a table for each part, in the order in which a job file names them."""
    definitions = schema.get("$defs", {})
    lines = [INTRODUCTION, *_part("The job", schema, schema, definitions)]
    seen = set[str]()
    queue = list(_references(schema))
    while queue:
        name = queue.pop(0)
        if name in seen:
            continue
        seen.add(name)
        part = definitions[name]
        queue = list(_references(part)) + queue
        if "properties" in part:
            lines += _part(_title(name), part, schema, definitions)
    return "\n".join(lines).rstrip() + "\n"


def _part(
    title: str, part: Mapping[str, Any], schema: Mapping[str, Any], definitions: Mapping[str, Any]
) -> Iterator[str]:
    yield f"## {title}\n"
    if part is not schema and part.get("description"):
        yield _flat(part["description"]) + "\n"
    yield "| field | what it is | values | default |"
    yield "|---|---|---|---|"
    required = set(part.get("required", ()))
    for name, field in part["properties"].items():
        default = "" if name in required else _default(field)
        cells = (f"`{name}`", _flat(field.get("description", "")), _kind(field, definitions))
        yield "| " + " | ".join([*map(_cell, cells), _cell(default)]) + " |"
    yield ""


def _kind(field: Mapping[str, Any], definitions: Mapping[str, Any]) -> str:
    """What values a field takes, in words."""
    if "$ref" in field:
        name = field["$ref"].rpartition("/")[2]
        target = definitions[name]
        if "properties" in target:
            return f"[{_title(name)}](#{_anchor(name)})"
        return _kind(target, definitions)
    choices = field.get("anyOf") or field.get("oneOf")
    if choices:
        return " or ".join(dict.fromkeys(_kind(choice, definitions) for choice in choices))
    if "const" in field:
        return f"`{field['const']}`"
    if "enum" in field:
        return ", ".join(f"`{value}`" for value in field["enum"])
    kind = field.get("type")
    if kind == "array":
        items = field.get("items") or {}
        return f"list of {_kind(items, definitions)}" if items else "list"
    if kind == "object":
        values = field.get("additionalProperties")
        return f"mapping to {_kind(values, definitions)}" if isinstance(values, dict) else "mapping"
    words = {
        "string": "text",
        "integer": "whole number",
        "boolean": "true or false",
        "null": "null",
    }
    bounds = [words_of.format(field[key]) for key, words_of in NUMBERS.items() if key in field]
    return ", ".join([words.get(str(kind), "number" if kind == "number" else "any"), *bounds])


def _default(field: Mapping[str, Any]) -> str:
    if "default" not in field:
        return "see there"
    default = field["default"]
    if default is None:
        return "none"
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    if isinstance(default, dict):
        return "as below" if default else "empty"
    if isinstance(default, list):
        return f"`[{', '.join(map(str, default))}]`" if default else "empty"
    return f"`{default}`"


def _references(value: Any) -> Iterator[str]:
    """Names of the parts that a part leads to, in order."""
    if isinstance(value, Mapping):
        if "$ref" in value:
            yield value["$ref"].rpartition("/")[2]
        for key, inner in value.items():
            if key != "$defs":
                yield from _references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _references(inner)


def _title(name: str) -> str:
    return name.removesuffix("Spec")


def _anchor(name: str) -> str:
    return _title(name).lower()


def _flat(text: str) -> str:
    return " ".join(text.split())


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
