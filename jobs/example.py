"""The commented example job that `gleaner init` writes, and the JSON Schema for editors."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Any

from jobs.cli.errors import CommandError
from jobs.exit_codes import Exit


def example_text() -> str:
    """The example job as YAML, valid as it is."""
    return files("jobs").joinpath("example.yaml").read_text(encoding="utf-8")


def write_job(text: str, path: Path, *, overwrite: bool) -> Path:
    """Write a job to `path`, or into that folder; never over a file unless told to."""
    target = path / "job.yaml" if path.is_dir() else path
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with target.open("w" if overwrite else "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        raise CommandError(
            f"{target} exists", "choose another path, or overwrite it with --force", Exit.BAD_USAGE
        ) from error
    return target


def editor_schema() -> dict[str, Any]:
    """JSON Schema of a job file."""
    from jobs.spec.job import JobSpec

    schema = JobSpec.model_json_schema(mode="validation")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
