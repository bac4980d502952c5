"""From a job spec to the concrete things the pipeline runs with.

Boundary: the one place where spec, infra and pipeline meet; builds values and openers, and touches
neither store nor input while doing so.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path

from checkpoints.encoding import Json
from checkpoints.local_store import LocalStore
from checkpoints.run import Fingerprint, changed_parts, fingerprint
from checkpoints.store import Store
from infra.s3 import S3Store
from infra.spot.settings import OnRebalance, SpotSettings
from jobs.locations import is_local
from jobs.model_folder import is_path
from jobs.model_identity import model_identity
from jobs.route_wiring import route_identity, route_terms
from jobs.spec.errors import Problem, SpecError
from jobs.spec.job import JobSpec
from jobs.spec.spot import SpotSpec
from jobs.spec.task import JsonOutput, LabelOutput, TaskSpec
from jobs.spec.tiers import TierSpec
from pipeline.documents import InputSource
from pipeline.engines.engine import Engine
from pipeline.engines.node_groups import NodeGroup
from pipeline.engines.tiers import EngineProfile, Generation, Placement, Tier
from pipeline.engines.vllm_engine import VLLMEngine
from pipeline.job import Job, RunLimits
from pipeline.loaders.reading import scheme_of
from pipeline.node_watch import LookAtNodes, NodeWatch
from pipeline.outputs import FreeText, JsonObject, Label, OutputFormat
from pipeline.preparing.prompts import Prompt

CHUNK_SIZE = 16
PARSING_VERSION = 2  # raise it when loaders, ids or prompts make other texts of the same input


def build_job(spec: JobSpec) -> Job:
    """The pipeline's job; raises SpecError when a location has a scheme no store is made for."""
    return Job(
        name=spec.name,
        spec=spec.model_dump(mode="json", by_alias=True),
        identity=identity_of(spec),
        source=input_source(spec),
        output_format=output_format(spec.task),
        tiers=tuple(build_tier(spec, tier) for tier in spec.route_tiers),
        limits=RunLimits(
            max_error_rate=spec.limits.max_error_rate,
            min_documents_for_error_rate=spec.limits.min_documents_for_error_rate,
            max_engine_deaths=spec.limits.attempts,
            flush_s=spec.limits.flush_s,
            coordinators=spec.limits.coordinators,
            shards_in_flight=spec.limits.shards_in_flight,
            chunk_size=CHUNK_SIZE,
            target_shard_tokens=spec.limits.target_shard_tokens,
        ),
        output_uri=spec.output,
        open_output=partial(open_store, store_uri(spec.output, "output")),
        open_checkpoint=partial(open_store, store_uri(spec.checkpoint, "checkpoint")),
        make_engine=make_vllm_engine,
        route=route_terms(spec),
        read_drain=partial(read_drain, spot_settings(spec.spot)),
        watch_nodes=partial(watch_nodes, spot_settings(spec.spot)),
    )


def open_stores(spec: JobSpec) -> tuple[Store, Store]:
    """(output, checkpoint)."""
    return (
        open_store(store_uri(spec.output, "output")),
        open_store(store_uri(spec.checkpoint, "checkpoint")),
    )


def store_uri(uri: str, field: str) -> str:
    """`uri` if a store can be opened there; raises SpecError otherwise."""
    if is_local(uri) or scheme_of(uri) == "s3":
        return uri
    raise SpecError(
        [
            Problem(
                field, "needs a place with conditional writes", uri, "use s3:// or a local folder"
            )
        ]
    )


def open_store(uri: str) -> Store:
    """The store at a local folder or s3://bucket/prefix."""
    if is_local(uri):
        return LocalStore(Path(uri.removeprefix("file://")))
    bucket, _, prefix = uri.partition("://")[2].partition("/")
    return S3Store(bucket, prefix)


def read_drain(settings: SpotSettings) -> float | None:
    """By when the node of this Ray process is to be left; see `engines.drain.ReadDrain`."""
    from infra.spot.cordoned import watched_deadline  # Ray takes a second to import

    return watched_deadline(settings)


@contextmanager
def watch_nodes(settings: SpotSettings) -> Iterator[LookAtNodes]:
    """Sentinels on every node while inside; see `pipeline.node_watch.WatchNodes`."""
    from infra.spot.sentinels import sentinels  # Ray takes a second to import

    with sentinels(settings) as watched:
        yield lambda: NodeWatch(**asdict(watched.overview()))


def spot_settings(spot: SpotSpec) -> SpotSettings:
    """How nodes are watched."""
    return SpotSettings(
        source=spot.source,
        on_rebalance=OnRebalance(spot.rebalance),
        poll_s=spot.poll_s,
        gcp_notice_s=spot.gcp_notice_s,
    )


def make_vllm_engine(tier: Tier) -> Engine:
    """A vLLM engine, made in the replica that will hold it."""
    return VLLMEngine(tier)


def input_source(spec: JobSpec) -> InputSource:
    """What to read."""
    return InputSource(
        uris=spec.input.uri,
        format=spec.input.format,
        id_field=spec.input.id_field,
        text_fields=spec.input.text_fields,
        passthrough=spec.input.passthrough,
        limit=spec.input.limit,
    )


def output_format(task: TaskSpec) -> OutputFormat:
    """How answers are parsed."""
    output = task.output
    if isinstance(output, LabelOutput):
        return Label(output.labels)
    if isinstance(output, JsonOutput):
        return JsonObject(output.json_schema or {})
    return FreeText()


def build_tier(spec: JobSpec, tier: TierSpec) -> Tier:
    """One tier with how it generates."""
    engine, sampling, output = tier.engine, spec.task.sampling, spec.task.output
    return Tier(
        name=tier.name,
        model=tier.model,
        revision=tier.revision,
        prompt=Prompt(tier.system or spec.task.system, tier.prompt or spec.task.prompt),
        profile=EngineProfile(
            max_model_len=engine.max_model_len,
            max_num_seqs=engine.max_num_seqs,
            max_num_batched_tokens=engine.max_num_batched_tokens,
            dtype=engine.dtype,
            gpu_memory_utilization=engine.gpu_memory_utilization,
            tensor_parallel_size=engine.tensor_parallel_size,
            quantization=engine.quantization,
            enforce_eager=engine.enforce_eager,
            enable_prefix_caching=engine.enable_prefix_caching,
            extra=engine.extra,
        ),
        placement=Placement(
            num_cpus=tier.num_cpus,
            num_gpus=tier.num_gpus,
            accelerator=tier.accelerator,
            max_replicas=tier.replicas.max,
            usd_per_hour=tier.usd_per_hour,
            groups=tuple(
                NodeGroup(group.market, group.accelerator, group.zone, group.labels)
                for group in tier.nodes
            ),
            on_demand_replicas=tier.replicas.on_demand,
        ),
        generation=Generation(
            max_tokens=tier.max_tokens or sampling.max_tokens,
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            seed=sampling.seed,
            stop=sampling.stop,
            json_schema=json.dumps(output.json_schema) if isinstance(output, JsonOutput) else None,
            choices=output.labels if isinstance(output, LabelOutput) else (),
            has_confidence=spec.task.confidence,
            # The last tier's answers stay, however sure it is of them.
            self_check=spec.route.self_check and tier.name != spec.route_tiers[-1].name,
            timeout_s=spec.limits.request_timeout_s,
        ),
    )


def identity_of(spec: JobSpec) -> dict[str, Json]:
    """What changes results, by the field a person would look for; becomes the fingerprint.

    Batch limits, replicas, prices and limits of the run are not in it: they change how fast and
    where, not what.
    """
    task = spec.task.model_dump(mode="json", by_alias=True)
    parts: dict[str, Json] = {f"task.{name}": value for name, value in task.items()}
    parts |= {
        f"input.{name}": value
        for name, value in spec.input.model_dump(mode="json").items()
        if name != "uri"  # what lies there counts, not how it is named
    }
    for tier in spec.route_tiers:
        parts |= _tier_identity(tier)
    return {**parts, **route_identity(spec), "gleaner.parsing": PARSING_VERSION}


def _tier_identity(tier: TierSpec) -> dict[str, Json]:
    place = f"tiers.{tier.name}"
    own: dict[str, Json] = {
        "system": tier.system,
        "prompt": tier.prompt,
        "max_tokens": tier.max_tokens,
    }
    return {
        f"{place}.model": model_identity(tier.model),
        f"{place}.revision": tier.revision,
        f"{place}.engine.max_model_len": tier.engine.max_model_len,
        f"{place}.engine.dtype": tier.engine.dtype,
        f"{place}.engine.quantization": tier.engine.quantization,
        f"{place}.engine.extra": tier.engine.extra,
        **{f"{place}.{name}": value for name, value in own.items() if value is not None},
    }


def differing_parts(spec: JobSpec, stored: Fingerprint) -> tuple[str, ...]:
    """The fields in which a job is other work than the run with this fingerprint; sorted.

    The input's own digest is left out, because it needs a listing, and so is a model folder that
    is not on this machine: about it nothing can be said here.
    """
    changed = set(changed_parts(stored, fingerprint(identity_of(spec)))) - {"input"}
    for tier in spec.route_tiers:
        if is_path(tier.model) and not Path(tier.model).is_dir():
            changed.discard(f"tiers.{tier.name}.model")
    return tuple(sorted(changed))
