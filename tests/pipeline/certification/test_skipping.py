"""Skipping the cheap tier: what is worth it, and the same verdict without scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.certification.skipping import (
    SkipModel,
    features_of,
    fit_skipping,
    is_worth_it,
    skipped,
)


def prompts(count: int, *, seed: int = 1) -> tuple[list[list[int]], np.ndarray]:
    luck = np.random.default_rng(seed)
    escalates = luck.random(count) < 0.5
    made = [
        [11 if hard else 22, *luck.integers(100, 30_000, size=30).tolist()] for hard in escalates
    ]
    return made, escalates


def fitted(next_cost: float = 1.0) -> SkipModel:
    made, escalates = prompts(600)
    model = fit_skipping(made, escalates, cheap_cost=0.5, next_cost=next_cost)
    assert model is not None
    return model


def test_a_telling_token_is_learned() -> None:
    made, escalates = prompts(300, seed=2)
    assert (skipped(fitted(), made) == escalates).mean() > 0.8


def test_the_border_is_where_a_skip_breaks_even() -> None:
    assert fitted(next_cost=1.0).skips_above == pytest.approx(0.5)
    assert fitted(next_cost=2.0).skips_above == pytest.approx(0.75)


def test_an_unknown_prompt_is_never_skipped() -> None:
    assert not SkipModel((0.0,) * 8, 0.0, 0.0, 1.0, 50.0, 0.1).skips([])
    assert SkipModel((0.0,) * 8, 0.0, 0.0, 1.0, 50.0, 0.1).skips([1])


def test_a_bag_has_unit_length_and_ignores_order() -> None:
    bag, length = features_of([5, 6, 7, 5])
    assert np.linalg.norm(bag) == pytest.approx(1.0)
    assert length == pytest.approx(np.log1p(4))
    again, _ = features_of([7, 5, 5, 6])
    assert (bag == again).all()
    assert features_of([])[0].sum() == 0.0


def test_the_model_gives_what_scikit_learn_gives() -> None:
    model, (made, _) = fitted(), prompts(5, seed=3)
    for prompt in made:
        bag, length = features_of(prompt)
        odds = bag @ np.array(model.weights) + model.intercept
        odds += model.length_weight * (length - model.length_mean) / model.length_scale
        assert model.probability(prompt) == pytest.approx(1 / (1 + np.exp(-odds)))


@pytest.mark.parametrize(("count", "cheap_cost"), [(600, 1.0), (600, 0.0), (8, 0.5), (0, 0.5)])
def test_without_anything_to_gain_or_to_learn_from_there_is_no_model(
    count: int, cheap_cost: float
) -> None:
    made, escalates = prompts(count)
    assert fit_skipping(made, escalates, cheap_cost=cheap_cost, next_cost=1.0) is None


def test_skips_that_hit_are_worth_it_and_others_are_not() -> None:
    luck = np.random.default_rng(4)
    escalates = luck.random(500) < 0.5
    costs = {"cheap_costs": np.full(500, 0.5), "next_costs": np.full(500, 1.0)}
    assert is_worth_it(escalates, escalates, **costs)
    assert not is_worth_it(~escalates, escalates, **costs)
    assert not is_worth_it(luck.random(500) < 0.5, escalates, **costs)
    few = escalates & (np.arange(500) < 10)
    assert not is_worth_it(few, escalates, **costs)
