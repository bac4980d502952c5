"""A job spec is refused in words, all of them at once, or it is consistent and self-contained."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from checkpoints.result_file import RESERVED_COLUMNS
from jobs.spec import JobSpec
from jobs.spec_checks import check_template_variables
from jobs.spec_errors import SpecError
from jobs.spec_file import load_spec, parse_spec
from jobs.spec_input import CONFIDENCE_PREFIX, RESULT_COLUMNS
from jobs.spec_task import JsonOutput
from jobs.spec_yaml import read_yaml, write_yaml

JOB = """
name: invoices
input: {uri: documents}
task: {prompt: "Read {{ text }}"}
tiers: [{name: small, model: org/small}]
output: s3://bucket/results
"""


def job(*replacements: tuple[str, str], extra: str = "") -> str:
    text = JOB
    for old, new in replacements:
        assert old in text
        text = text.replace(old, new)
    return text + extra


def problems(text: str, folder: Path = Path("/jobs"), **environment: str) -> list[str]:
    with pytest.raises(SpecError) as caught:
        parse_spec(text, folder, environment)
    return [str(problem) for problem in caught.value.problems]


def output(text: str) -> tuple[str, str]:
    return (
        'task: {prompt: "Read {{ text }}"}',
        f'task: {{prompt: "{{{{ text }}}}", output: {text}}}',
    )


def tier(text: str) -> tuple[str, str]:
    return "{name: small, model: org/small}", "{name: small, model: org/small, " + text + "}"


def test_a_minimal_job_gets_documented_defaults() -> None:
    spec = parse_spec(JOB, Path("/jobs"))
    assert spec.input.uri == ("/jobs/documents",)
    assert spec.checkpoint == "s3://bucket/results-checkpoint"
    assert spec.task.output.type == "text"
    assert spec.task.sampling.temperature == 0.0
    assert spec.chosen_tier.engine.max_num_seqs == 256
    assert spec.chosen_tier.replicas.max == 1
    assert spec.chosen_tier.num_gpus == 0
    assert spec.limits.attempts == 3


REFUSALS = {
    "unknown field": (
        job(extra="inptu: 1"),
        "inptu: is no field of a job (1) - did you mean input?",
    ),
    "unknown engine field": (
        job(tier("engine: {max_num_sqs: 3}")),
        "tiers[0].engine.max_num_sqs: is no field of a job (3) - did you mean max_num_seqs?",
    ),
    "unknown field of an output": (
        job(output("{type: json, schemas: {}, schema_file: x}")),
        "task.output.schemas: is no field of a job ({}) - did you mean schema?",
    ),
    "number as text": (
        job(tier('engine: {max_num_seqs: "8"}')),
        'tiers[0].engine.max_num_seqs: should be a whole number ("8") - write digits',
    ),
    "text as number": (
        job(("name: invoices", "name: 3")),
        "name: should be text (3) - put it in quotes",
    ),
    "yes for true": (
        job(tier("engine: {enforce_eager: yes}")),
        'tiers[0].engine.enforce_eager: should be true or false ("yes") - write true or false',
    ),
    "too high": (
        job(extra="limits: {max_error_rate: 3}"),
        "limits.max_error_rate: is too high (3) - use at most 1",
    ),
    "too low": (
        job(tier("usd_per_hour: -1")),
        "tiers[0].usd_per_hour: is too low (-1) - use at least 0",
    ),
    "bad name": (
        job(("name: invoices", "name: My Job")),
        "name: has the wrong form (My Job) - match ^[a-z0-9][a-z0-9_-]{0,62}$",
    ),
    "bad format": (
        job(("{uri: documents}", "{uri: documents, format: docx}")),
        "input.format: is not allowed (docx) - use 'auto', 'jsonl', 'csv', 'parquet', 'txt', 'md', "
        "'html' or 'pdf'",
    ),
    "missing part": (
        job(("output: s3://bucket/results", "")),
        "output: is missing - add it",
    ),
    "part of the wrong kind": (
        job(("{uri: documents}", "documents")),
        "input: should hold named fields (documents) - indent its fields under it",
    ),
    "no tiers": (
        job(("[{name: small, model: org/small}]", "[]")),
        "tiers: has too few entries ([]) - give at least 1",
    ),
    "passthrough over a result column": (
        job(("{uri: documents}", "{uri: documents, passthrough: [cost_usd]}")),
        'input.passthrough: the result has a column of its own called cost_usd (["cost_usd"]) - '
        "rename the field in the input, or leave it out",
    ),
    "passthrough over a confidence column": (
        job(("{uri: documents}", "{uri: documents, passthrough: [confidence_tokens]}")),
        "input.passthrough: the result has a column of its own called confidence_tokens "
        '(["confidence_tokens"]) - rename the field in the input, or leave it out',
    ),
    "prompt without a document": (
        job(("Read {{ text }}", "Hello")),
        "task.prompt: uses no field of the document (Hello) - write {{ text }} where the document "
        "belongs",
    ),
    "prompt that is no template": (
        job(("Read {{ text }}", "{{ text")),
        "task.prompt: is no Jinja template: line 1: unexpected end of template, expected 'end of "
        "print statement'. ({{ text) - correct the template",
    ),
    "unknown output": (
        job(output("{type: xml}")),
        "task.output.type: is missing or unknown - use one of: text, label, json",
    ),
    "one label": (
        job(output("{type: label, labels: [a]}")),
        'task.output.labels: has too few entries (["a"]) - give at least 2',
    ),
    "label twice": (
        job(output("{type: label, labels: [a, b, a]}")),
        'task.output.labels: names a twice (["a", "b", "a"]) - name each label once',
    ),
    "two schemas": (
        job(output("{type: json, schema: {}, schema_file: x}")),
        "task.output: needs exactly one of schema, schema_file, pydantic - keep one of them",
    ),
    "no schema": (
        job(output("{type: json, schema: {type: objekt}}")),
        "task.output.schema: is no JSON Schema: $.type: 'objekt' is not valid under any of the "
        "given schemas - correct the schema",
    ),
    "a schema that refers to nothing": (
        job(output('{type: json, schema: {$ref: "#/$defs/invoice"}}')),
        "task.output.schema: is no JSON Schema: #/$defs/invoice is not in the schema: put the "
        "definition under $defs and refer to #/$defs/... - correct the schema",
    ),
    "replicas": (
        job(tier("replicas: {max: 0}")),
        "tiers[0].replicas.max: is too low (0) - use at least 1",
    ),
    "extra engine argument with a field of its own": (
        job(tier("engine: {extra: {max_num_seqs: 3}}")),
        "tiers[0].engine.extra: max_num_seqs has a field of its own - set it under engine, outside "
        "extra",
    ),
    "a step smaller than its sequences": (
        job(tier("engine: {max_num_seqs: 64, max_num_batched_tokens: 32}")),
        "tiers[0].engine: max_num_batched_tokens (32) is below max_num_seqs (64), but a step "
        "decodes one token of each sequence - raise the former or lower the latter",
    ),
    "too few GPUs": (
        job(tier("accelerator: H100, num_gpus: 1, engine: {tensor_parallel_size: 2}")),
        "tiers[0]: num_gpus (1) is below engine.tensor_parallel_size (2) - make them equal",
    ),
    "no room for a prompt": (
        job(tier("engine: {max_model_len: 512}")),
        "tiers[0].engine.max_model_len: leaves no room for a prompt beside task.sampling."
        "max_tokens (512) (512) - raise it, or lower max_tokens",
    ),
    "tier twice": (
        job(("org/small}", "org/small}, {name: small, model: org/other}")),
        "tiers[1].name: is the name of an earlier tier (small) - choose another",
    ),
    "route to nowhere": (
        job(extra="route: smal"),
        "route: names no tier (smal) - did you mean small?",
    ),
    "checkpoint inside output": (
        job(extra="checkpoint: s3://bucket/results/state"),
        "checkpoint: overlaps output s3://bucket/results (s3://bucket/results/state) - put one "
        "outside the other, e.g. side by side",
    ),
    "output is a bucket": (
        job(("s3://bucket/results", "s3://bucket")),
        "checkpoint: is needed, because the output is a whole bucket (s3://bucket) - name a place "
        "for the state of the run, or put the output under a prefix",
    ),
    "model that is not there": (
        job(("org/small", "./models/small")),
        "tiers[0].model: is a folder that does not exist (./models/small) - relative paths start "
        "at /jobs",
    ),
    "schema file that is not there": (
        job(output("{type: json, schema_file: invoice.json}")),
        "task.output.schema_file: does not exist (invoice.json) - relative paths start at /jobs",
    ),
    "class that is not there": (
        job(output('{type: json, pydantic: "no_such_module:Invoice"}')),
        "task.output.pydantic: cannot be imported: No module named 'no_such_module' "
        "(no_such_module:Invoice) - write package.module:Class",
    ),
    "variable that is not set": (
        job(("s3://bucket/results", "s3://${BUCKET}/results")),
        "output: the environment variable BUCKET is not set - set it, or write ${BUCKET:-default}",
    ),
    "key twice": (
        job(extra="name: other"),
        "name: is given twice (line 7) - keep one",
    ),
    "no YAML": (
        "name: [",
        "line 1, column 8: is not YAML: expected the node content, but found '<stream end>' - "
        "correct the indentation or quotes",
    ),
    "empty": ("", "the file: holds no fields - `gleaner init` writes an example"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_a_bad_job_is_refused_with_field_value_and_remedy(name: str) -> None:
    text, line = REFUSALS[name]
    assert problems(text) == [line]


@pytest.mark.parametrize(
    ("uri", "output_uri", "is_refused"),
    [
        ("documents", "documents", True),
        ("documents", "documents/results", True),
        ("results/in", "results", True),
        ("documents/*", "documents/results", True),
        ("documents/**/*.jsonl", "documents/results", True),
        ("./documents/../data", "data/results", True),
        ("s3://bucket/a", "s3a://bucket/a/b", True),
        ("s3://bucket", "s3://bucket/results", True),
        ("documents/*.jsonl", "documents/results", False),
        ("documents", "documents-results", False),
        ("s3://bucket/a", "s3://other/a", False),
        ("s3://bucket/a", "bucket/a", False),
    ],
)
def test_input_and_output_may_not_overlap(uri: str, output_uri: str, is_refused: bool) -> None:
    text = job(("{uri: documents}", f'{{uri: "{uri}"}}'), ("s3://bucket/results", output_uri))
    if is_refused:
        assert any("output: overlaps input" in line for line in problems(text))
    else:
        parse_spec(text, Path("/jobs"))


def test_the_columns_refused_as_passthrough_are_those_of_a_result() -> None:
    confidence = {name for name in RESERVED_COLUMNS if name.startswith(CONFIDENCE_PREFIX)}
    assert confidence
    assert RESERVED_COLUMNS - confidence == RESULT_COLUMNS


def test_everything_wrong_is_told_at_once() -> None:
    text = """
name: Bad Name
input: {uri: documents, limit: 0}
task: {prompt: "{{ text }}", output: {type: label, labels: []}}
tiers: [{name: a, model: m, engine: {dtype: int8}}, {name: a, model: m}]
route: b
output: documents/results
checkpoint: ${PLACE}
"""
    fields = [line.split(":")[0] for line in problems(text)]
    assert fields == [
        "checkpoint",
        "name",
        "input.limit",
        "task.output.labels",
        "tiers[0].engine.dtype",
        "output",
        "tiers[1].name",
        "route",
    ]


def test_environment_variables_are_replaced_in_text_and_may_be_whole_numbers() -> None:
    text = job(("s3://bucket/results", "s3://${BUCKET}/${PREFIX:-runs}")) + (
        "limits:\n  attempts: ${ATTEMPTS}\n  flush_s: ${FLUSH:-2.5}\n"
    )
    spec = parse_spec(text, Path("/jobs"), {"BUCKET": "b", "ATTEMPTS": "7"})
    assert spec.output == "s3://b/runs"
    assert (spec.limits.attempts, spec.limits.flush_s) == (7, 2.5)


def test_a_doubled_dollar_stands_for_itself() -> None:
    spec = parse_spec(job(("Read {{ text }}", "$${HOME} $5 {{ text }}")), Path("/jobs"), {})
    assert spec.task.prompt == "${HOME} $5 {{ text }}"


def test_an_anchor_is_replaced_once() -> None:
    tree, unread = read_yaml("{a: &x '$${A}', b: *x}", {"A": "wrong"})
    assert (tree, unread) == ({"a": "${A}", "b": "${A}"}, [])


def test_yaml_guesses_nothing() -> None:
    tree, unread = read_yaml("{a: [no, on, 2024-01-31, 1e-3, 0.5, 012, true, null]}", {})
    assert tree == {"a": ["no", "on", "2024-01-31", 0.001, 0.5, 12, True, None]}
    assert unread == []


@pytest.mark.parametrize(
    "text", ["no", "1e-3", "12", "${A}", "$${A:-x}", "a\n  b: c", "\U0001f600"]
)
def test_what_is_written_reads_back_the_same(text: str) -> None:
    tree = {"text": text, "list": [text, 1, 2.5, 1e-05, None, False], text: {"deep": text}}
    assert read_yaml(write_yaml(tree), {}) == (tree, [])


def test_relative_paths_start_at_the_job_file(tmp_path: Path) -> None:
    (tmp_path / "models" / "small").mkdir(parents=True)
    (tmp_path / "schema.json").write_text('{"type": "object"}')
    path = tmp_path / "job.yaml"
    path.write_text(
        job(
            ("org/small", "models/small"),
            ("s3://bucket/results", "../results"),
            output("{type: json, schema_file: schema.json}"),
        )
    )
    spec = load_spec(path)
    assert spec.input.uri == (str(tmp_path / "documents"),)
    assert spec.output == str(tmp_path.parent / "results")
    assert spec.checkpoint == str(tmp_path.parent / "results-checkpoint")
    assert spec.tiers[0].model == str(tmp_path / "models" / "small")
    assert isinstance(spec.task.output, JsonOutput)
    assert spec.task.output.json_schema == {"type": "object"}
    assert spec.task.output.schema_file is None


def test_a_class_beside_the_job_file_gives_the_schema(tmp_path: Path) -> None:
    (tmp_path / "beside_the_job.py").write_text(
        "from pydantic import BaseModel\nclass Invoice(BaseModel):\n    total: float\n"
    )
    text = job(output('{type: json, pydantic: "beside_the_job:Invoice"}'))
    spec = parse_spec(text, tmp_path)
    assert isinstance(spec.task.output, JsonOutput)
    assert spec.task.output.json_schema is not None
    assert spec.task.output.json_schema["properties"]["total"]["type"] == "number"


def test_a_loaded_job_survives_being_written_and_loaded_again(tmp_path: Path) -> None:
    text = job(("Read {{ text }}", "$${HOME} {{ text }}"), tier("accelerator: L4"))
    spec = parse_spec(text, Path("/jobs"), {})
    (tmp_path / "job.yaml").write_text(write_yaml(spec.model_dump(mode="json", exclude_none=True)))
    assert load_spec(tmp_path / "job.yaml", {}) == spec
    assert JobSpec.model_validate_json(json.dumps(spec.model_dump(mode="json"))) == spec


def test_a_named_accelerator_takes_as_many_gpus_as_share_the_model() -> None:
    text = job(tier("accelerator: H100, engine: {tensor_parallel_size: 4}"))
    assert parse_spec(text, Path("/jobs")).tiers[0].num_gpus == 4


def test_a_spec_built_in_python_is_held_to_the_same_rules() -> None:
    tree, _ = read_yaml(job(extra="route: nowhere"), {})
    with pytest.raises(ValueError, match="route: names no tier"):
        JobSpec.model_validate(tree)


def test_a_template_variable_that_no_document_has_is_named() -> None:
    lines = [str(p) for p in check_template_variables({"text", "titel"}, {"title", "body"})]
    assert lines == ["task.prompt: no document has a field titel (titel) - did you mean title?"]
    assert check_template_variables({"text", "title"}, {"title"}) == []
