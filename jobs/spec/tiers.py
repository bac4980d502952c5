"""The `tiers` part: the models, cheap to strong, and how and where each of them runs."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from jobs.spec.base import Amount, Count, Part, Share, Slug, Text, YesNo, require
from jobs.spec.nodes import NodesSpec
from jobs.spec.task import checked_prompt


class EngineSpec(Part):
    """Settings of the vLLM engine. The batch limits are explicit and asserted when it starts."""

    max_model_len: Count = 4096
    """Prompt and answer together, in tokens. A longer document becomes an error row (too_long)."""
    max_num_seqs: Count = 256
    """Documents generated at the same time by one replica."""
    max_num_batched_tokens: Count = 8192
    """Tokens in one step of the engine; more favours throughput, less favours memory."""
    dtype: Literal["auto", "float16", "bfloat16", "float32"] = "auto"
    """The type of weights and activations; auto takes the model's own."""
    gpu_memory_utilization: Share = 0.9
    """The share of GPU memory for weights, activations and KV cache. On a CPU it does not count:
    the cache gets VLLM_CPU_KVCACHE_SPACE GiB, by default a tenth of memory, 1 to 4."""
    tensor_parallel_size: Count = 1
    """GPUs that share one replica's model."""
    quantization: Text | None = None
    """The quantisation method, e.g. fp8 or awq; none takes what the model's own config says."""
    enforce_eager: YesNo = False
    """Skip compilation: a faster start, a slower run."""
    enable_prefix_caching: YesNo = True
    """Compute what prompts have in common once."""
    extra: dict[str, Any] = Field(default_factory=dict)
    """Further vLLM engine arguments by their own names, handed on as they are."""

    @field_validator("extra")
    @classmethod
    def _extra_names_are_free(cls, extra: dict[str, Any]) -> dict[str, Any]:
        named = sorted(set(extra) & (cls.model_fields.keys() - {"extra"}))
        require(
            not named,
            f"{', '.join(named)} has a field of its own",
            "set it under engine, outside extra",
        )
        owned = sorted(set(extra) & {"model", "revision", "tokenizer", "tokenizer_revision"})
        require(not owned, f"{', '.join(owned)} is set by the tier", "use model and revision")
        return extra

    @model_validator(mode="after")
    def _a_step_holds_every_sequence(self) -> EngineSpec:
        require(
            self.max_num_batched_tokens >= self.max_num_seqs,
            f"max_num_batched_tokens ({self.max_num_batched_tokens}) is below max_num_seqs "
            f"({self.max_num_seqs}), but a step decodes one token of each sequence",
            "raise the former or lower the latter",
        )
        return self


class Replicas(Part):
    """How many engines of a tier run."""

    max: Count = 1
    """So many are asked for; the run starts with the first and goes on with those that the cluster
    has room for."""
    on_demand: Annotated[int, Field(strict=True, ge=0)] = 0
    """So many of them run on on-demand nodes only: a floor that no spot interruption takes away."""

    @model_validator(mode="after")
    def _the_floor_is_part_of_all(self) -> Replicas:
        require(
            self.on_demand <= self.max,
            f"on_demand ({self.on_demand}) is above max ({self.max}), of which it is a part",
            "raise max, or lower on_demand",
        )
        return self


class TierSpec(Part):
    """One model with its engine, its place and its price. Another prompt or token limit makes
    another tier, also of the same model."""

    name: Slug
    """The name in results and reports: lower-case letters, digits, - and _."""
    model: Text
    """A local folder (relative to the job file) or a hub id."""
    revision: Text | None = None
    """The revision of a hub model. Pin it to a commit: otherwise new weights published under
    the same name between two resumes are used without notice."""
    system: Text | None = None
    """The system prompt of this tier. None: the task's."""
    prompt: Text | None = None
    """The prompt of this tier, a template as `task.prompt`. None: the task's. Tiers that differ in
    their prompt or max_tokens only run on engines of their own all the same, one model each."""
    max_tokens: Count | None = None
    """The longest answer of this tier. None: task.sampling.max_tokens."""
    engine: EngineSpec = EngineSpec()
    """Settings of the vLLM engine."""
    accelerator: Text | None = None
    """The GPU type in Ray's words, e.g. H100 or L4. None: any node, also one with CPUs only."""
    nodes: tuple[NodesSpec, ...] = ()
    """Groups of nodes to run on, best first: a replica starts in the first that has room. Without
    them: nodes labelled gleaner.io/role=engine, then any other."""
    num_gpus: Amount = Field(
        default_factory=lambda data: (
            float(data["engine"].tensor_parallel_size)
            if "engine" in data
            and (
                data.get("accelerator") or any(group.accelerator for group in data.get("nodes", ()))
            )
            else 0.0
        )
    )
    """GPUs per replica. By default tensor_parallel_size when an accelerator is named, here or under
    nodes, else 0."""
    num_cpus: Amount = 1.0
    """CPU cores per replica. Without GPUs the engine computes with so many threads."""
    replicas: Replicas = Replicas()
    """How many replicas of this engine run."""
    usd_per_hour: Amount = 0.0
    """What one replica costs per hour (its share of its node); the basis of all costs reported."""

    @field_validator("prompt")
    @classmethod
    def _reads_the_document(cls, prompt: str | None) -> str | None:
        return None if prompt is None else checked_prompt(prompt)

    @field_validator("nodes")
    @classmethod
    def _each_group_can_be_reached(
        cls, nodes: tuple[NodesSpec, ...], info: ValidationInfo
    ) -> tuple[NodesSpec, ...]:
        accelerator = info.data.get("accelerator")
        for place, group in enumerate(nodes, 1):
            require(
                group not in nodes[: place - 1],
                f"group {place} is an earlier one again",
                "name each group once",
            )
            require(
                place == len(nodes) or not group.is_any_node,
                f"every node fits group {place}, so the groups behind it are never reached",
                "put it last",
            )
            require(
                accelerator is None or group.accelerator is None,
                f"group {place} names an accelerator, and so does the tier ({accelerator})",
                "name it in one of the two places",
            )
        return nodes

    @model_validator(mode="after")
    def _the_floor_has_nodes(self) -> TierSpec:
        require(
            not self.replicas.on_demand
            or not self.nodes
            or any(group.market != "spot" for group in self.nodes),
            f"replicas.on_demand is {self.replicas.on_demand}, but every group of nodes is spot",
            "add - {market: on-demand} to nodes",
        )
        return self

    @model_validator(mode="after")
    def _gpus_suffice(self) -> TierSpec:
        require(
            self.accelerator is None or self.num_gpus > 0,
            f"accelerator is {self.accelerator}, but num_gpus is 0",
            "raise num_gpus, or remove accelerator",
        )
        require(
            self.num_gpus > 0 or not any(group.accelerator for group in self.nodes),
            "nodes names an accelerator, but num_gpus is 0",
            "raise num_gpus, or remove it there",
        )
        wanted = self.engine.tensor_parallel_size
        require(
            wanted == 1 or self.num_gpus >= wanted or self.num_gpus == 0,
            f"num_gpus ({self.num_gpus:g}) is below engine.tensor_parallel_size ({wanted})",
            "make them equal",
        )
        return self
