"""What makes a job other work: everything that changes an answer, nothing that changes its pace."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest

from checkpoints.run import changed_parts, fingerprint
from infra.spot import sentinels
from infra.spot.node_report import Overview
from infra.spot.settings import OnRebalance, SpotSettings
from jobs import wiring
from jobs.spec.file import parse_spec
from jobs.spec.job import JobSpec
from jobs.wiring import build_job, build_tier, differing_parts, identity_of
from pipeline.engines.node_groups import NodeGroup
from pipeline.node_watch import NodeWatch

JOB = """
name: invoices
input: {uri: documents, format: jsonl, id_field: id, text_fields: text, passthrough: [a], limit: 9}
task:
  system: Be brief.
  prompt: "Read {{ text }}"
  output: {type: json, schema: {type: object}}
  sampling: {temperature: 0.5, top_p: 0.9, max_tokens: 64, seed: 1, stop: [END]}
tiers:
  - name: small
    model: MODEL
    revision: abc
    engine:
      max_model_len: 1024
      max_num_seqs: 64
      max_num_batched_tokens: 2048
      dtype: bfloat16
      gpu_memory_utilization: 0.9
      tensor_parallel_size: 1
      quantization: fp8
      enforce_eager: false
      enable_prefix_caching: true
      extra: {swap_space: 4}
    num_cpus: 2
    num_gpus: 4
    replicas: {max: 2}
    usd_per_hour: 0.5
  - {name: large, model: org/large, engine: {max_model_len: 1024}}
route: small
output: /results
checkpoint: /state
limits: {attempts: 3, max_error_rate: 0.5, flush_s: 2, request_timeout_s: 60}
spot: {source: auto, rebalance: cordon}
"""


def spec(model: str, *replacements: tuple[str, str]) -> JobSpec:
    text = JOB
    for old, new in [*replacements, ("MODEL", model)]:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return parse_spec(text, Path("/jobs"), {})


@pytest.fixture
def model(tmp_path: Path) -> str:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.safetensors").write_bytes(b"weights")
    return str(tmp_path / "model")


def changed(model: str, *replacements: tuple[str, str]) -> tuple[str, ...]:
    before, after = identity_of(spec(model)), identity_of(spec(model, *replacements))
    return changed_parts(fingerprint(before), fingerprint(after))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("max_num_seqs: 64", "max_num_seqs: 8"),
        ("max_num_batched_tokens: 2048", "max_num_batched_tokens: 4096"),
        ("gpu_memory_utilization: 0.9", "gpu_memory_utilization: 0.5"),
        ("tensor_parallel_size: 1", "tensor_parallel_size: 2"),
        ("enforce_eager: false", "enforce_eager: true"),
        ("enable_prefix_caching: true", "enable_prefix_caching: false"),
        ("num_cpus: 2", "num_cpus: 8"),
        ("num_gpus: 4", "num_gpus: 4\n    accelerator: H100"),
        ("replicas: {max: 2}", "replicas: {max: 64}"),
        ("replicas: {max: 2}", "replicas: {max: 2, on_demand: 1}"),
        ("num_cpus: 2", "num_cpus: 2\n    nodes: [{market: spot}, {market: on-demand}]"),
        ("usd_per_hour: 0.5", "usd_per_hour: 9.0"),
        ("org/large", "org/larger"),  # not the tier that does the work
        ("attempts: 3", "attempts: 9"),
        ("max_error_rate: 0.5", "max_error_rate: 0.1"),
        ("flush_s: 2", "flush_s: 20"),
        ("request_timeout_s: 60", "request_timeout_s: 600"),
        ("source: auto", "source: aws, poll_s: 2"),
        ("rebalance: cordon", "rebalance: ignore"),
        ("uri: documents", "uri: elsewhere"),  # what lies there counts, through the input's digest
        ("output: /results", "output: /other"),
        ("checkpoint: /state", "checkpoint: /other"),
        ("name: invoices", "name: bills"),
    ],
)
def test_what_changes_only_pace_place_or_price_is_the_same_work(
    model: str, old: str, new: str
) -> None:
    assert changed(model, (old, new)) == ()


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("Be brief.", "Be long.", "task.system"),
        ("Read {{", "Skim {{", "task.prompt"),
        ("schema: {type: object}", "schema: {type: array}", "task.output"),
        ("temperature: 0.5", "temperature: 0.6", "task.sampling"),
        ("top_p: 0.9", "top_p: 0.8", "task.sampling"),
        ("max_tokens: 64", "max_tokens: 65", "task.sampling"),
        ("seed: 1", "seed: 2", "task.sampling"),
        ("stop: [END]", "stop: [STOP]", "task.sampling"),
        ("format: jsonl", "format: auto", "input.format"),
        ("id_field: id", "id_field: key", "input.id_field"),
        ("text_fields: text", "text_fields: body", "input.text_fields"),
        ("passthrough: [a]", "passthrough: [b]", "input.passthrough"),
        ("limit: 9", "limit: 10", "input.limit"),
        ("revision: abc", "revision: def", "tiers.small.revision"),
        (
            "max_model_len: 1024\n",
            "max_model_len: 2048\n",
            "tiers.small.engine.max_model_len",
        ),
        ("dtype: bfloat16", "dtype: float16", "tiers.small.engine.dtype"),
        ("quantization: fp8", "quantization: awq", "tiers.small.engine.quantization"),
        ("swap_space: 4", "swap_space: 5", "tiers.small.engine.extra"),
    ],
)
def test_what_changes_an_answer_is_named_by_its_field(
    model: str, old: str, new: str, named: str
) -> None:
    assert changed(model, (old, new)) == (named,)


def test_how_nodes_are_watched_reaches_the_pipeline(
    model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[SpotSettings] = []
    seen = Overview("aws", 3, 1, 2, 1, "aws: does not answer in time; do this", 7.0)

    def sentinels_of(settings: SpotSettings) -> AbstractContextManager[SimpleNamespace]:
        asked.append(settings)
        return nullcontext(SimpleNamespace(overview=lambda: seen))

    monkeypatch.setattr(sentinels, "sentinels", sentinels_of)
    text = "source: 'file:/n', poll_s: 2, gcp_notice_s: 120"
    job = build_job(spec(model, ("source: auto", text), ("rebalance: cordon", "rebalance: ignore")))
    assert asked == []
    with job.watch_nodes() as look:
        assert asked == [SpotSettings("file:/n", OnRebalance.IGNORE, 2.0, 120.0)]
        assert look() == NodeWatch("aws", 3, 1, 2, 1, "aws: does not answer in time; do this", 7.0)


def test_groups_of_nodes_are_handed_on_in_their_order(model: str) -> None:
    groups = (
        "nodes: [{market: spot, zone: a, accelerator: L4}, {labels: {type: '!in(g5, g6)'}}, {}]"
    )
    floor = ("replicas: {max: 2}", "replicas: {max: 2, on_demand: 1}")
    job = spec(model, ("num_cpus: 2", f"num_cpus: 2\n    {groups}"), floor)
    placement = build_tier(job, job.chosen_tier).placement
    assert placement.groups == (
        NodeGroup(market="spot", accelerator="L4", zone="a"),
        NodeGroup(labels={"type": "!in(g5,g6)"}),
        NodeGroup(),
    )
    assert placement.on_demand_replicas == 1


def test_another_tier_is_other_work(model: str) -> None:
    assert "route" in changed(model, ("route: small", "route: large"))


def test_other_weights_in_the_same_folder_are_other_work_and_a_moved_folder_is_not(
    model: str, tmp_path: Path
) -> None:
    before = identity_of(spec(model))
    moved = Path(model).rename(tmp_path / "moved")
    assert identity_of(spec(str(moved))) == before
    (moved / "model.safetensors").write_bytes(b"Weights")
    after = identity_of(spec(str(moved)))
    assert changed_parts(fingerprint(before), fingerprint(after)) == ("tiers.small.model",)


def test_a_gleaner_that_reads_documents_otherwise_does_other_work(
    model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = identity_of(spec(model))
    monkeypatch.setattr(wiring, "PARSING_VERSION", wiring.PARSING_VERSION + 1)
    after = identity_of(spec(model))
    assert changed_parts(fingerprint(before), fingerprint(after)) == ("gleaner.parsing",)


def test_a_job_is_compared_with_a_run_but_for_what_cannot_be_seen_from_here(
    model: str, tmp_path: Path
) -> None:
    stored = fingerprint({**identity_of(spec(model)), "input": "a listing's digest"})
    assert differing_parts(spec(model), stored) == ()
    assert differing_parts(spec(model, ("Read {{", "Skim {{")), stored) == ("task.prompt",)
    Path(model).rename(tmp_path / "on another machine")
    assert differing_parts(spec(model), stored) == ()
