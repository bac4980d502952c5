"""JSON Schemas that a job names instead of writing them: a file, or a pydantic class."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel

from jobs.locations import absolute


class SchemaSourceError(Exception):
    """The schema's file or class cannot be used."""

    def __init__(self, field: str, wrong: str, value: str, remedy: str) -> None:
        super().__init__(f"{field}: {wrong} ({value}) - {remedy}")
        self.field, self.wrong, self.value, self.remedy = field, wrong, value, remedy


def read_schema(schema_file: str | None, class_path: str | None, folder: Path) -> dict[str, Any]:
    """The JSON Schema from whichever of the two is given; both are looked up from `folder`."""
    if schema_file is not None:
        return _from_file(schema_file, folder)
    if class_path is not None:
        return _from_class(class_path, folder)
    raise ValueError("neither a schema file nor a class is given")


def _from_file(schema_file: str, folder: Path) -> dict[str, Any]:
    path = Path(absolute(schema_file, folder))
    try:
        schema = yaml.safe_load(path.read_text(encoding="utf-8"))  # JSON is YAML
    except FileNotFoundError as error:
        raise SchemaSourceError(
            "schema_file", "does not exist", schema_file, f"relative paths start at {folder}"
        ) from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise SchemaSourceError(
            "schema_file", "is neither JSON nor YAML", schema_file, "correct the file"
        ) from error
    if not isinstance(schema, dict):
        raise SchemaSourceError(
            "schema_file", "holds no JSON object", schema_file, "put a JSON Schema into it"
        )
    return schema


def _from_class(class_path: str, folder: Path) -> dict[str, Any]:
    module_name, _, class_name = class_path.partition(":")
    sys.path.insert(0, str(folder))  # a module beside the job file, as `python job.py` would see it
    try:
        found: object = importlib.import_module(module_name)
        for name in class_name.split("."):
            found = getattr(found, name)
    except (ImportError, AttributeError) as error:
        raise SchemaSourceError(
            "pydantic", f"cannot be imported: {error}", class_path, "write package.module:Class"
        ) from error
    finally:
        sys.path.remove(str(folder))
    if not (isinstance(found, type) and issubclass(found, BaseModel)):
        raise SchemaSourceError(
            "pydantic", "is no pydantic model", class_path, "name a subclass of pydantic.BaseModel"
        )
    return found.model_json_schema()
