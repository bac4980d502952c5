"""A tier: one model with its prompt and the engine profile, placement and price it runs with.

Boundary: values only; what is started from them is `serving.py`'s and `vllm_engine.py`'s matter.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pipeline.engines.node_groups import NodeGroup
from pipeline.preparing.prompts import Prompt


@dataclass(frozen=True, slots=True)
class EngineProfile:
    """The limits an engine is started with; all explicit, because engine defaults differ by caller.

    Through some entry points vLLM falls to 128 sequences and 2,048 tokens per step on every GPU
    (vllm/engine/arg_utils.py, no usage context), so nothing here is left to it.
    """

    max_model_len: int  # prompt and output together, tokens
    max_num_seqs: int  # sequences decoded together
    max_num_batched_tokens: int  # tokens per engine step
    dtype: str
    gpu_memory_utilization: float
    tensor_parallel_size: int
    quantization: str | None
    enforce_eager: bool
    enable_prefix_caching: bool
    extra: Mapping[str, object] = field(default_factory=dict)  # further vLLM engine arguments


@dataclass(frozen=True, slots=True)
class Placement:
    """Where replicas of a tier may run, how many, and what one of them costs."""

    num_cpus: float
    num_gpus: float
    accelerator: str | None  # Ray accelerator type, for example "H100"
    max_replicas: int
    usd_per_hour: float  # of one replica's share of its node
    groups: tuple[
        NodeGroup, ...
    ] = ()  # best first; without any: nodes kept for engines, then others
    on_demand_replicas: int = 0  # of max_replicas: those that run on on-demand nodes only


@dataclass(frozen=True, slots=True)
class Generation:
    """How a tier generates: the same for every request of a run."""

    max_tokens: int
    temperature: float
    top_p: float
    seed: int | None
    stop: tuple[str, ...]
    json_schema: str | None  # structured output by this JSON Schema (as JSON text)
    choices: tuple[str, ...]  # structured output: exactly one of these
    has_confidence: bool  # whether the engine computes confidence features
    timeout_s: float | None  # an engine aborts a request that takes longer
    self_check: bool = False  # with confidence: the engine is asked whether its answer is right


@dataclass(frozen=True, slots=True)
class Tier:
    """A named step of the cascade, cheap to strong."""

    name: str
    model: str  # local folder or hub id
    revision: str | None
    prompt: Prompt
    profile: EngineProfile
    placement: Placement
    generation: Generation

    @property
    def in_flight_per_replica(self) -> int:
        """Requests kept at one replica: twice what it decodes together, so that it never idles.

        What waits in the engine's queue costs no GPU memory and is no lost work when the node goes.
        """
        return 2 * self.profile.max_num_seqs
