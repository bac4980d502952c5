"""The tokenizer's promises, and a training run of a few steps from start to a loadable model."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerFast

from jobs.demo.document import draw_document
from jobs.demo.prompt import SYSTEM, prompt_text
from jobs.demo.score import exact_matches, held_out_cases
from jobs.demo.sizes import RECIPES, Recipe, Size
from jobs.demo.tokenizer import VOCABULARY_SIZE
from jobs.demo.train import Run, build_tokenizer, rate_at, train

MODELS = Path(__file__).parents[3] / "jobs/demo/models"
TINY = Recipe(
    width=64,
    inner_width=64,
    layers=1,
    heads=2,
    drill_steps=2,
    steps=4,
    batch_documents=2,
    peak_rate=3e-3,
    weights=(1.0, 1.0, 1.0),
)


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    return build_tokenizer(7)


def tiny_run(folder: Path, tokenizer: PreTrainedTokenizerFast, recipe: Recipe = TINY) -> Run:
    return Run(recipe, tokenizer, 7, folder / "work", folder / "out", torch.device("cpu"), 8)


def test_a_word_has_the_same_tokens_after_a_blank_and_in_quotes(
    tokenizer: PreTrainedTokenizerFast,
) -> None:
    word = tokenizer.encode("Strömberg")
    for text in (" Strömberg", '"Strömberg"', "\nStrömberg"):
        ids = tokenizer.encode(text)
        assert any(ids[start : start + len(word)] == word for start in range(len(ids)))


def test_digits_stand_alone(tokenizer: PreTrainedTokenizerFast) -> None:
    assert len(tokenizer.encode("2026-03-12")) == 10


@pytest.mark.parametrize("text", ["Grüße, Zoë; 1.482,50 €", "発注書 № 12\t✓\r\n", "a  b   c"])
def test_any_text_survives_encoding(tokenizer: PreTrainedTokenizerFast, text: str) -> None:
    assert tokenizer.decode(tokenizer.encode(text)) == text


def test_the_chat_template_gives_the_training_prompt(tokenizer: PreTrainedTokenizerFast) -> None:
    for index in range(20):
        text = draw_document(3, index, is_held_out=True).text()
        messages = [
            {"role": "system", "content": SYSTEM},
            {"role": "user", "content": text},
        ]
        assert tokenizer.apply_chat_template(
            messages, tokenize=False, add_generation_prompt=True
        ) == prompt_text(text)


def test_documents_and_answers_are_short(tokenizer: PreTrainedTokenizerFast) -> None:
    for index in range(200):
        document = draw_document(4, index, is_held_out=True)
        assert len(tokenizer.encode(prompt_text(document.text()))) <= 400
        assert len(tokenizer.encode(document.answer.to_json())) <= 80


def test_the_rate_rises_then_falls() -> None:
    rates = [rate_at(step, 1000, 1.0) for step in range(1000)]
    peak = rates.index(max(rates))
    assert rates[: peak + 1] == sorted(rates[: peak + 1])
    assert rates[peak:] == sorted(rates[peak:], reverse=True)
    assert rates[-1] < 0.05


def test_a_short_run_leaves_a_model_that_loads_and_is_taken_up_at_its_end(
    tmp_path: Path, tokenizer: PreTrainedTokenizerFast
) -> None:
    first = train(tiny_run(tmp_path, tokenizer)).state_dict()
    loaded = AutoModelForCausalLM.from_pretrained(tmp_path / "out")
    assert loaded.dtype == torch.bfloat16
    assert all(torch.equal(first[name].bfloat16(), w) for name, w in loaded.state_dict().items())
    assert len(AutoTokenizer.from_pretrained(tmp_path / "out")) == VOCABULARY_SIZE

    again = train(tiny_run(tmp_path, tokenizer)).state_dict()
    assert all(torch.equal(weight, again[name]) for name, weight in first.items())
    longer = replace(TINY, steps=TINY.steps + 1)
    other = train(tiny_run(tmp_path, tokenizer, longer)).state_dict()
    assert not torch.equal(first["lm_head.weight"], other["lm_head.weight"])


@pytest.mark.parametrize("size", list(Size))
def test_a_bundled_model_has_its_recipes_shape_and_the_common_tokenizer(
    size: Size, tokenizer: PreTrainedTokenizerFast
) -> None:
    config = json.loads((MODELS / size / "config.json").read_text())
    recipe = RECIPES[size]
    assert (config["hidden_size"], config["num_hidden_layers"]) == (recipe.width, recipe.layers)
    bundled = AutoTokenizer.from_pretrained(MODELS / size)
    assert bundled.get_vocab() == tokenizer.get_vocab()
    assert bundled.chat_template == tokenizer.chat_template


def test_the_bundled_large_model_reads_held_out_documents() -> None:
    model = AutoModelForCausalLM.from_pretrained(MODELS / Size.LARGE)
    tokenizer = AutoTokenizer.from_pretrained(MODELS / Size.LARGE)
    matches = exact_matches(model, tokenizer, held_out_cases(77, 60), torch.device("cpu"))
    assert sum(matches) >= 54
