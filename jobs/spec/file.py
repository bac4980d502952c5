"""From a job file to a self-contained JobSpec.

After loading, nothing refers to the job file's folder any more: relative local paths are absolute,
a schema file or pydantic class is replaced by its JSON Schema. So the spec can be recorded,
compared and sent to a cluster as it is.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from jobs.locations import absolute
from jobs.model_folder import is_path
from jobs.schema_classes import SchemaSourceError, read_schema
from jobs.spec.checks import cross_checks
from jobs.spec.errors import Problem, SpecError, problems_of
from jobs.spec.job import JobSpec
from jobs.spec.task import JsonOutput
from jobs.spec.tiers import TierSpec
from jobs.spec.yaml import read_yaml


def load_spec(path: Path, environment: Mapping[str, str] | None = None) -> JobSpec:
    """The job in the file `path`; raises SpecError with everything that is wrong with it."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise SpecError(
            [Problem("the file", "does not exist", str(path), f"`gleaner init {path}` writes one")]
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(
            [
                Problem(
                    "the file", f"cannot be read: {error}", str(path), "check path and permissions"
                )
            ]
        ) from error
    return parse_spec(text, path.resolve().parent, environment)


def parse_spec(text: str, folder: Path, environment: Mapping[str, str] | None = None) -> JobSpec:
    """The job in a YAML text; relative paths start at `folder`."""
    tree, unread = read_yaml(text, os.environ if environment is None else environment)
    try:
        spec = JobSpec.model_validate(tree)
    except ValidationError as error:
        fields = {problem.field for problem in unread}
        wrong = [*problems_of(error, JobSpec), *cross_checks(tree)]
        raise SpecError([*unread, *(p for p in wrong if p.field not in fields)]) from error
    if unread:
        raise SpecError(unread)
    return _self_contained(spec, folder)


def _self_contained(spec: JobSpec, folder: Path) -> JobSpec:
    problems: list[Problem] = []
    output = spec.task.output
    if isinstance(output, JsonOutput) and output.json_schema is None:
        try:
            schema = read_schema(output.schema_file, output.pydantic, folder)
            output = JsonOutput.model_validate({"type": "json", "schema": schema})
        except SchemaSourceError as error:
            problems.append(
                Problem(f"task.output.{error.field}", error.wrong, error.value, error.remedy)
            )
        except ValidationError as error:
            field = "schema_file" if output.schema_file else "pydantic"
            problems += [
                Problem(f"task.output.{field}", found.wrong, output.schema_file, found.remedy)
                for found in problems_of(error, JsonOutput)
            ]
    route = spec.route
    if isinstance(route.certificate, str):
        try:
            content = read_certificate(folder / route.certificate)
            route = route.model_copy(update={"certificate": content})
        except CertificateError as error:
            remedy = "`gleaner calibrate` writes one; relative paths start at the job file's folder"
            problems.append(Problem("route.certificate", str(error), route.certificate, remedy))
    tiers = []
    for index, tier in enumerate(spec.tiers):
        model = _model(tier, folder)
        if model is None:
            wrong = "is a folder that does not exist"
            remedy = f"relative paths start at {folder}"
            problems.append(Problem(f"tiers[{index}].model", wrong, tier.model, remedy))
        tiers.append(tier.model_copy(update={"model": model}))
    resolved = spec.model_copy(
        update={
            "input": spec.input.model_copy(
                update={"uri": tuple(absolute(uri, folder) for uri in spec.input.uri)}
            ),
            "task": spec.task.model_copy(update={"output": output}),
            "tiers": tuple(tiers),
            "route": route,
            "output": absolute(spec.output, folder),
            "checkpoint": absolute(spec.checkpoint, folder),
        }
    )
    # Symbolic parts such as ".." and "~" are comparable only now.
    problems += cross_checks(resolved.model_dump(mode="json"))
    if problems:
        raise SpecError(problems)
    return resolved


class CertificateError(Exception):
    """The file of a certificate cannot be used."""


def read_certificate(path: Path) -> dict[str, Any]:
    """The content of a certificate.json; CertificateError."""
    try:
        content = json.loads(path.expanduser().read_bytes())
    except (OSError, ValueError) as error:
        raise CertificateError(f"cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise CertificateError("holds no JSON object")
    return content


def _model(tier: TierSpec, folder: Path) -> str | None:
    """The model as an absolute path or a hub id; None when it is a relative path to nothing.

    An absolute path is taken as it is: it names a folder of the machines that run the job, and
    `status`, `verify` and `submit` work from others. `validation.check_job` looks into it.
    """
    local = absolute(tier.model, folder)
    if Path(local).exists() or tier.model.startswith(("/", "file://")):
        return local
    return None if is_path(tier.model) else tier.model
