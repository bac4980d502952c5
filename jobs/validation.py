"""Checks of a job that need more than its file: the input, the schema, the stores.

Boundary: reads listings, the first documents and the configs of local models, writes and removes a
probe in each store; starts neither Ray nor an engine.
"""

from __future__ import annotations

from collections.abc import Iterator

from checkpoints.errors import UnsafeStoreError
from checkpoints.preflight import check_store
from jobs.model_folder import model_problems
from jobs.schema_engine import engine_refusal
from jobs.spec.checks import check_template_variables
from jobs.spec.errors import Problem, SpecError, did_you_mean
from jobs.spec.job import JobSpec
from jobs.spec.task import JsonOutput
from jobs.wiring import input_source, open_stores
from pipeline.intake.listing import FileTable, list_inputs
from pipeline.intake.planning import check_fields, field_names
from pipeline.preparing.prompts import Prompt


def check_job(spec: JobSpec) -> FileTable:
    """Refuse a job that cannot work, before anything starts; gives the files of its input.

    Raises:
        SpecError: a field of a template or of the route that no document has, a schema no engine
            compiles, or a local model that is not there, is incomplete or too short for
            max_model_len.
        InputError: nothing to read, no permission, or a field that no document has.
    """
    wrong_models = model_problems(spec.tiers)
    if wrong_models:
        raise SpecError(wrong_models)
    output = spec.task.output
    schema = output.json_schema if isinstance(output, JsonOutput) else None
    refusal = None if schema is None else engine_refusal(schema)
    if refusal is not None:
        raise SpecError(
            [
                Problem(
                    "task.output.schema",
                    f"the engine cannot compile it: {refusal}",
                    None,
                    "simplify the schema",
                )
            ]
        )
    source = input_source(spec)
    files = list_inputs(source)
    available = field_names(source, files)
    check_fields(source, available)
    unknown = [
        *check_template_variables(Prompt(None, spec.task.prompt).variables(), available),
        *_unknown_of_tiers(spec, available),
        *_unknown_of_route(spec, available),
    ]
    if unknown:
        raise SpecError(unknown)
    return files


def _unknown_of_tiers(spec: JobSpec, available: frozenset[str]) -> Iterator[Problem]:
    for index, tier in enumerate(spec.tiers):
        if tier.prompt is not None:
            variables = Prompt(None, tier.prompt).variables()
            yield from check_template_variables(variables, available, f"tiers[{index}].prompt")


def _unknown_of_route(spec: JobSpec, available: frozenset[str]) -> Iterator[Problem]:
    known = available - {"text", "fields"}
    asked = [
        (f"route.rules[{index}].when.field", name)
        for index, rule in enumerate(spec.route.rules)
        for name in rule.when.field
    ]
    if spec.route.gold is not None:
        asked.append(("route.gold", spec.route.gold))
    for field, name in asked:
        if name not in available:
            remedy = did_you_mean(name, known) or f"use one of: {', '.join(sorted(known))}"
            yield Problem(field, "no document has this field", name, remedy)


def check_stores(spec: JobSpec) -> None:
    """Refuse places that cannot hold a run; a run itself checks them too.

    Raises:
        SpecError: a store that does not honour conditional writes.
        PermissionError, OSError: no access.
    """
    for field, store in zip(("output", "checkpoint"), open_stores(spec), strict=True):
        try:
            check_store(store)
        except UnsafeStoreError as error:
            raise SpecError(
                [Problem(field, str(error), getattr(spec, field), "choose another store")]
            ) from error
