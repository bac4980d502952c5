"""A job spec is refused in words, all of them at once, or it is consistent and self-contained."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from checkpoints.result_file import RESERVED_COLUMNS
from jobs.spec.checks import check_template_variables
from jobs.spec.file import load_spec, parse_spec
from jobs.spec.input import CONFIDENCE_PREFIX, RESULT_COLUMNS
from jobs.spec.job import JobSpec
from jobs.spec.task import JsonOutput
from jobs.spec.yaml import read_yaml, write_yaml
from tests.jobs.spec_builders import JOB, job, output, problems, tier


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
    with pytest.raises(ValueError, match=r"route\.tier: names no tier"):
        JobSpec.model_validate(tree)


def test_a_template_variable_that_no_document_has_is_named() -> None:
    lines = [str(p) for p in check_template_variables({"text", "titel"}, {"title", "body"})]
    assert lines == ["task.prompt: no document has a field titel (titel) - did you mean title?"]
    assert check_template_variables({"text", "title"}, {"title"}) == []
