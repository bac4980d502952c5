"""A tier in vLLM's own terms: engine arguments, limits as resolved, sampling, guided decoding.

Boundary: values in, vLLM's values out; nothing runs here.
"""

from __future__ import annotations

import json
from typing import Any

from pipeline.engines.engine import EngineLimitsError
from pipeline.engines.self_check import MOST_BEGINNINGS, REPLIES
from pipeline.engines.tiers import EngineProfile, Generation, Tier


def engine_arguments(tier: Tier) -> dict[str, Any]:
    """Keyword arguments of vLLM's `AsyncEngineArgs` for this tier, every limit explicit."""
    profile = tier.profile
    return {
        "model": tier.model,
        "revision": tier.revision,
        "served_model_name": tier.name,
        "max_model_len": profile.max_model_len,
        "max_num_seqs": profile.max_num_seqs,
        "max_num_batched_tokens": profile.max_num_batched_tokens,
        "dtype": profile.dtype,
        "gpu_memory_utilization": profile.gpu_memory_utilization,
        "tensor_parallel_size": profile.tensor_parallel_size,
        "quantization": profile.quantization,
        "enforce_eager": profile.enforce_eager,
        "enable_prefix_caching": profile.enable_prefix_caching,
        "disable_log_stats": True,
        "enable_log_requests": False,  # prompts may hold personal data
        "worker_extension_cls": "pipeline.engines.orphans.EndWithReplica",
        **profile.extra,
    }


def assert_limits(profile: EngineProfile, config: Any) -> None:
    """Compare vLLM's resolved configuration with the profile.

    Raises:
        EngineLimitsError: names every limit that differs.
    """
    resolved = {
        "max_model_len": config.model_config.max_model_len,
        "max_num_seqs": config.scheduler_config.max_num_seqs,
        "max_num_batched_tokens": config.scheduler_config.max_num_batched_tokens,
    }
    wrong = [
        f"{name}: asked {getattr(profile, name)}, runs with {value}"
        for name, value in resolved.items()
        if value != getattr(profile, name)
    ]
    if wrong:
        raise EngineLimitsError(
            "the engine changed its limits (" + "; ".join(wrong) + "); set them in tiers[].engine"
        )


def sampling_parameters(generation: Generation) -> Any:
    """vLLM's `SamplingParams`: final output only, for confidence two flat logprobs per token.

    Text is decoded once at the end rather than token by token, unless stop strings need it.
    """
    from vllm import SamplingParams
    from vllm.sampling_params import RequestOutputKind, StructuredOutputsParams

    guide = None
    if generation.json_schema is not None:
        guide = json_guide(generation.json_schema)
    elif generation.choices:
        guide = StructuredOutputsParams(choice=list(generation.choices))
    return SamplingParams(
        max_tokens=generation.max_tokens,
        temperature=generation.temperature,
        top_p=generation.top_p,
        seed=generation.seed,
        stop=list(generation.stop) or None,
        structured_outputs=guide,
        logprobs=2 if generation.has_confidence else None,
        flat_logprobs=True,
        detokenize=bool(generation.stop),
        output_kind=RequestOutputKind.FINAL_ONLY,
        skip_clone=True,
    )


def check_parameters() -> Any:
    """vLLM's `SamplingParams` for the one token of a self-check.

    The choice is laid on the model's scores before vLLM takes log probabilities of them. vLLM's
    own `logprob_token_ids` would do without one, but in vLLM 0.32 (v1/sample/sampler.py) it takes
    the runner-ups away from every answer that shares the step.
    """
    from vllm import SamplingParams
    from vllm.sampling_params import RequestOutputKind, StructuredOutputsParams

    return SamplingParams(
        max_tokens=1,
        temperature=0.0,
        structured_outputs=StructuredOutputsParams(choice=list(REPLIES)),
        logprobs=MOST_BEGINNINGS,
        flat_logprobs=True,
        detokenize=False,
        output_kind=RequestOutputKind.FINAL_ONLY,
        skip_clone=True,
    )


def can_be_continued(generation: Generation) -> bool:
    """Whether an answer that was cut off goes on as if nothing had happened.

    A grammar and a seeded generator begin anew with each request, and a stop string may lie across
    the cut.
    """
    has_grammar = generation.json_schema is not None or bool(generation.choices)
    is_seeded = generation.seed is not None and generation.temperature > 0
    return not (has_grammar or is_seeded or generation.stop)


def json_guide(schema: str) -> Any:
    """vLLM's `StructuredOutputsParams` for an answer that fits the schema."""
    from vllm.sampling_params import StructuredOutputsParams

    grammar = json_grammar(schema)
    guide = {"json": json.loads(schema)} if grammar is None else {"grammar": grammar}
    return StructuredOutputsParams(**guide)


def json_grammar(schema: str) -> str | None:
    """The schema as a grammar (EBNF) that leaves no choice of white space; None if it has none.

    Free white space lets a weak model write blank lines up to max_tokens, and vLLM 0.32 ignores the
    request's own wish for none (`disable_any_whitespace` is only read from the engine's
    configuration, where it also forbids the usual blanks after ':' and ','). So the grammar is made
    here, with the separators of `json.dumps`.
    """
    from vllm.v1.structured_output.backend_xgrammar import has_xgrammar_unsupported_json_features
    from xgrammar import Grammar

    if has_xgrammar_unsupported_json_features(json.loads(schema)):
        return None  # vLLM takes another backend for it, which allows white space
    try:
        return str(Grammar.from_json_schema(schema, any_whitespace=False, separators=(", ", ": ")))
    except RuntimeError:
        return None


def cpu_cache_gib(memory_bytes: int) -> int:
    """The KV cache of an engine on a CPU: a tenth of the machine's memory, 1 to 4 GiB.

    By itself vLLM would take `gpu_memory_utilization` of all memory, and fail where that much is
    not free.
    """
    return max(1, min(4, memory_bytes // 10 // 2**30))
