"""A job file that cannot work is refused with field, value and remedy."""

from __future__ import annotations

import pytest

from tests.jobs.spec_builders import job, output, problems, tier

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
        "task.prompt: is no Jinja template: unexpected end of template, expected 'end of print "
        "statement'. (line 1) ({{ text) - correct the template",
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
    "a floor above all replicas": (
        job(tier("replicas: {max: 2, on_demand: 3}")),
        "tiers[0].replicas: on_demand (3) is above max (2), of which it is a part - raise max, or "
        "lower on_demand",
    ),
    "a floor without nodes": (
        job(tier("nodes: [{market: spot}], replicas: {max: 2, on_demand: 1}")),
        "tiers[0]: replicas.on_demand is 1, but every group of nodes is spot - add - {market: "
        "on-demand} to nodes",
    ),
    "unknown market": (
        job(tier("nodes: [{market: ondemand}]")),
        "tiers[0].nodes[0].market: is not allowed (ondemand) - use 'spot' or 'on-demand'",
    ),
    "unknown field of nodes": (
        job(tier("nodes: [{zones: a}]")),
        "tiers[0].nodes[0].zones: is no field of a job (a) - did you mean zone?",
    ),
    "no condition": (
        job(tier('nodes: [{market: spot}, {zone: "in(a; b)"}]')),
        "tiers[0].nodes[1].zone: is no condition on a label (in(a; b)) - write value, !value, "
        "in(a, b) or !in(a, b); values have letters, digits, '-', '_', '.'",
    ),
    "label with a field of its own": (
        job(tier("nodes: [{labels: {ray.io/market-type: spot}}]")),
        "tiers[0].nodes[0].labels: ray.io/market-type has a field of its own - use market",
    ),
    "label with a bad name": (
        job(tier("nodes: [{labels: {a/b/c: x}}]")),
        "tiers[0].nodes[0].labels: a/b/c is no name of a label - write name or prefix/name, of "
        "letters, digits, '-', '_', '.'",
    ),
    "group twice": (
        job(tier("nodes: [{market: spot}, {market: spot}]")),
        'tiers[0].nodes: group 2 is an earlier one again ([{"market": "spot"}, {"market": "spot"}])'
        " - name each group once",
    ),
    "any node before others": (
        job(tier("nodes: [{}, {market: spot}]")),
        "tiers[0].nodes: every node fits group 1, so the groups behind it are never reached "
        '([{}, {"market": "spot"}]) - put it last',
    ),
    "accelerator twice": (
        job(tier("accelerator: L4, nodes: [{accelerator: A10G}]")),
        "tiers[0].nodes: group 1 names an accelerator, and so does the tier (L4) "
        '([{"accelerator": "A10G"}]) - name it in one of the two places',
    ),
    "accelerator without GPUs": (
        job(tier("num_gpus: 0, nodes: [{accelerator: A10G}]")),
        "tiers[0]: nodes names an accelerator, but num_gpus is 0 - raise num_gpus, or remove it "
        "there",
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
    "source of notices that nobody knows": (
        job(extra="spot: {source: alibaba}"),
        "spot.source: names no source of notices (alibaba) - use auto, aws, gcp, azure, none, "
        "file:/full/path or http(s)://...",
    ),
    "file of notices by a relative path": (
        job(extra="spot: {source: 'file:notices.json'}"),
        "spot.source: names no source of notices (file:notices.json) - use auto, aws, gcp, azure, "
        "none, file:/full/path or http(s)://...",
    ),
    "address with an unknown part": (
        job(extra="spot: {source: 'http://host/{zone}'}"),
        "spot.source: nothing is known as {zone} (http://host/{zone}) - use {node_id}, {node_ip}, "
        "{hostname}",
    ),
    "what a rebalance does": (
        job(extra="spot: {rebalance: drain}"),
        "spot.rebalance: is not allowed (drain) - use 'cordon' or 'ignore'",
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
