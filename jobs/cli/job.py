"""Commands about the job file: init, schema, validate, plan."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import typer

from jobs.console import AsJson, Debug, JobFile, Out, print_json


def init(
    path: Annotated[Path, typer.Argument(help="The file to write, or a folder.")] = Path(
        "job.yaml"
    ),
    recipe: Annotated[
        str | None, typer.Option(help="A ready job for a common task instead; see --list.")
    ] = None,
    show_list: Annotated[bool, typer.Option("--list", help="List the recipes, and end.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing file.")] = False,
    as_json: AsJson = False,
    debug: Debug = False,  # noqa: ARG001 - read by ReportingGroup
) -> None:
    """Write a job, ready to edit: a commented example of everything, or a recipe for one task.

    Example: gleaner init tickets/job.yaml --recipe classify
    """
    from jobs.example import example_text, write_job
    from jobs.recipes.recipe import recipe_named, recipes

    out = Out(as_json=as_json)
    if show_list:
        for one in recipes():
            out.say(f"{one.name:<10} {one.purpose}")
        out.result({"recipes": {one.name: one.purpose for one in recipes()}})
        return
    text = example_text() if recipe is None else recipe_named(recipe).text
    written = write_job(text, path, overwrite=force)
    out.say(f"wrote {written}; edit it, then: gleaner validate {written}")
    out.result({"path": str(written)})


def schema(
    markdown: Annotated[
        bool, typer.Option("--markdown", help="For people: every field in tables.")
    ] = False,
    as_json: AsJson = False,
    debug: Debug = False,  # noqa: ARG001 - read by ReportingGroup
) -> None:
    """Print the JSON Schema of job files: completion and checks in an editor.

    Example: gleaner schema > job.schema.json
    """
    import json

    from jobs.example import editor_schema
    from jobs.spec.reference import reference

    if markdown:
        print(reference(editor_schema()), end="")
    elif as_json:
        print_json(editor_schema())
    else:
        print(json.dumps(editor_schema(), indent=2))


def validate(
    job: JobFile,
    offline: Annotated[
        bool, typer.Option("--offline", help="Check the file only, not input, stores and models.")
    ] = False,
    as_json: AsJson = False,
    debug: Debug = False,  # noqa: ARG001 - read by ReportingGroup
) -> None:
    """Check a job before anything starts: fields, prompt, schema, input, stores.

    Example: gleaner validate job.yaml
    """
    from jobs.spec.file import load_spec

    out = Out(as_json=as_json)
    spec = load_spec(job)
    if not offline:
        from jobs.validation import check_job, check_stores

        check_job(spec)
        check_stores(spec)
    out.say(f"{job}: valid; start it with: gleaner run {job}")
    out.result({"valid": True})


def plan(
    job: JobFile,
    as_json: AsJson = False,
    debug: Debug = False,  # noqa: ARG001 - read by ReportingGroup
) -> None:
    """Show what a run would do, without a GPU: documents, shards, tokens.

    Example: gleaner plan job.yaml
    """
    from jobs.plan_preview import preview_plan
    from jobs.spec.file import load_spec

    out = Out(as_json=as_json)
    summary = dataclasses.asdict(preview_plan(load_spec(job)))
    width = max(len(name) for name in summary)
    for name, value in summary.items():
        shown = f"{value:,}" if isinstance(value, int | float) else value
        out.say(f"{name.replace('_', ' '):<{width}}  {shown}")
    out.result(summary)
