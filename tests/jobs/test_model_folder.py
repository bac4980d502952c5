"""A local model that an engine cannot start on is refused by what its folder shows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import jobs.demo
from jobs.model_folder import is_path, model_problems
from jobs.spec.errors import SpecError
from jobs.spec.file import parse_spec
from jobs.spec.tiers import EngineSpec, TierSpec
from jobs.validation import check_job

BUNDLED = Path(jobs.demo.__file__).parent / "models" / "small"


def model(folder: Path, config: object = None, *, tokenizer: str = "tokenizer.json") -> Path:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(config or {"max_position_embeddings": 1024}))
    (folder / tokenizer).write_text("{}")
    return folder


def told(folder: Path | str, **engine: Any) -> list[str]:
    tier = TierSpec(name="small", model=str(folder), engine=EngineSpec(**engine))
    return [str(problem) for problem in model_problems([tier])]


@pytest.mark.parametrize("path", ["/m", "./m", "../m", "~/m", "file:///m"])
def test_what_begins_like_a_path_is_one(path: str) -> None:
    assert is_path(path)


def test_a_hub_id_is_no_path_and_is_left_to_the_engine() -> None:
    assert not is_path("org/model")
    assert told("org/model") == []


def test_the_bundled_model_is_sound() -> None:
    assert told(BUNDLED, max_model_len=1024) == []


def test_a_path_to_nothing_or_to_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "weights.gguf").write_text("")
    for name in ("nothing", "weights.gguf"):
        path = tmp_path / name
        (problem,) = model_problems([TierSpec(name="small", model=str(path))])
        assert (problem.field, problem.value) == ("tiers[0].model", str(path))
        assert problem.wrong == "is no folder on this machine"
        assert "name a hub id" in str(problem.remedy)


def test_a_folder_without_config_and_tokenizer_lacks_both(tmp_path: Path) -> None:
    problems = model_problems([TierSpec(name="small", model=str(tmp_path))])
    assert [(problem.field, problem.wrong) for problem in problems] == [
        ("tiers[0].model", "holds no config.json"),
        ("tiers[0].model", "holds no tokenizer (tokenizer.json or tokenizer.model)"),
    ]


@pytest.mark.parametrize("tokenizer", ["tokenizer.model", "vocab.json", "qwen.tiktoken"])
def test_other_kinds_of_tokenizer_will_do(tmp_path: Path, tokenizer: str) -> None:
    assert told(model(tmp_path / "m", tokenizer=tokenizer), max_model_len=8) == []


def test_a_model_too_short_for_the_job_names_both_lengths(tmp_path: Path) -> None:
    for name, config in {
        "plain": {"max_position_embeddings": 1024},
        "nested": {"text_config": {"max_position_embeddings": 1024}},
    }.items():
        folder = model(tmp_path / name, config)
        assert told(folder, max_model_len=1024) == []
        assert told(folder, max_model_len=4096) == [
            "tiers[0].engine.max_model_len: is above the model's max_position_embeddings (1024) "
            "(4096) - use at most 1024"
        ]


@pytest.mark.parametrize(
    "config",
    [
        {"max_position_embeddings": 8, "rope_scaling": {"type": "yarn", "factor": 4.0}},
        {"max_position_embeddings": 8, "rope_parameters": {"full_attention": {"factor": 4}}},
        {"n_positions": 8},
    ],
)
def test_a_length_that_only_the_engine_can_compute_is_left_to_it(
    tmp_path: Path, config: dict[str, Any]
) -> None:
    assert told(model(tmp_path / "m", config), max_model_len=32) == []


@pytest.mark.parametrize("text", ["{", "[]"])
def test_a_damaged_config_is_refused(tmp_path: Path, text: str) -> None:
    folder = model(tmp_path / "m")
    (folder / "config.json").write_text(text)
    assert len(told(folder)) == 1
    assert "config.json is unreadable" in told(folder)[0]


def test_a_job_with_a_model_path_to_nothing_is_refused_before_anything_starts() -> None:
    text = (
        "name: j\ninput: {uri: docs}\ntask: {prompt: '{{ text }}'}\n"
        "tiers: [{name: s, model: /nowhere/model}]\noutput: out\n"
    )
    with pytest.raises(SpecError, match=r"tiers\[0\]\.model.*/nowhere/model"):
        check_job(parse_spec(text, Path("/jobs")))
