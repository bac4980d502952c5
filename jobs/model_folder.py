"""What a local model folder must hold before an engine is started on it.

Boundary: reads the folder's listing and its config.json; never the weights, never the network. A
hub id is the engine's to resolve.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jobs.spec.errors import Problem
from jobs.spec.tiers import TierSpec

# What transformers and vLLM load a tokenizer from; tekken.json and params.json are Mistral's.
_TOKENIZERS = ("tokenizer.json", "tokenizer.model", "spiece.model", "vocab.*", "tekken.json")
_TOKENIZERS_BY_CODE = ("*.tiktoken", "tokenization_*.py")
_CONFIGS = ("config.json", "params.json")


def is_path(model: str) -> bool:
    """Whether `model` can only be a path: a hub id begins with a name."""
    return model.startswith(("/", "./", "../", "~", "file://"))


def model_problems(tiers: Sequence[TierSpec]) -> list[Problem]:
    """Why the engines of these tiers would not start, as far as their folders here show."""
    return [
        problem
        for index, tier in enumerate(tiers)
        if is_path(tier.model)
        for problem in _folder_problems(Path(tier.model), f"tiers[{index}]", tier)
    ]


def _folder_problems(folder: Path, field: str, tier: TierSpec) -> list[Problem]:
    if not folder.is_dir():
        wrong = "is no folder on this machine"
        remedy = "correct the path, put the model there, or name a hub id (org/name)"
        return [Problem(f"{field}.model", wrong, tier.model, remedy)]
    problems = []
    if not any((folder / name).is_file() for name in _CONFIGS):
        remedy = "name the folder that holds the model's files"
        problems.append(Problem(f"{field}.model", "holds no config.json", tier.model, remedy))
    if not any(any(folder.glob(name)) for name in (*_TOKENIZERS, *_TOKENIZERS_BY_CODE)):
        remedy = "save the tokenizer into the same folder"
        wrong = "holds no tokenizer (tokenizer.json or tokenizer.model)"
        problems.append(Problem(f"{field}.model", wrong, tier.model, remedy))
    if (folder / "config.json").is_file():
        problems += _config_problems(folder / "config.json", field, tier)
    return problems


def _config_problems(path: Path, field: str, tier: TierSpec) -> list[Problem]:
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        most = _most_positions(config)
    except (ValueError, AttributeError) as error:
        remedy = "save the model anew"
        return [Problem(f"{field}.model", f"config.json is unreadable: {error}", str(path), remedy)]
    length = tier.engine.max_model_len
    if most is None or length <= most or "hf_overrides" in tier.engine.extra:
        return []
    return [
        Problem(
            f"{field}.engine.max_model_len",
            f"is above the model's max_position_embeddings ({most})",
            length,
            f"use at most {most}",
        )
    ]


def _most_positions(config: dict[str, Any]) -> int | None:
    """The positions that a config.json allows; None where it leaves that to the engine.

    A rope scaling factor raises them in ways that differ by its type; the engine computes that.
    """
    text = config.get("text_config") or config  # models that see images keep it one level down
    for rope in (text.get("rope_scaling"), text.get("rope_parameters")):
        if isinstance(rope, dict) and "factor" in json.dumps(rope):
            return None
    most = text.get("max_position_embeddings")
    return most if isinstance(most, int) and most > 0 else None
