"""Hand-computed features."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.engines.confidence import confidence_of
from pipeline.engines.value_tokens import ValueToken


def test_an_empty_generation_has_no_confidence() -> None:
    assert confidence_of([], []) is None


def test_one_token_is_mean_minimum_and_quantile_at_once() -> None:
    made = confidence_of([math.log(0.75)], [math.log(0.25)])
    assert made is not None
    assert made.mean_logprob == made.min_logprob == made.p10_logprob == math.log(0.75)
    assert made.top2_margin == pytest.approx(0.5)
    assert made.tokens == 1


def test_features_of_three_tokens() -> None:
    made = confidence_of([-0.1, -2.0, -0.3], [-3.0, -0.5, None])
    margin = (math.exp(-0.1) - math.exp(-3.0) + math.exp(-2.0) - math.exp(-0.5) + 1.0) / 3
    assert made is not None
    assert made.mean_logprob == pytest.approx(-0.8)
    assert (made.min_logprob, made.p10_logprob, made.tokens) == (-2.0, -2.0, 3)
    assert made.top2_margin == pytest.approx(margin)


@pytest.mark.parametrize(("count", "rank"), [(1, 0), (10, 0), (11, 1), (20, 1), (21, 2), (101, 10)])
def test_the_ten_percent_quantile_is_the_lower_nearest_rank(count: int, rank: int) -> None:
    values = [float(-n) for n in range(count)]
    made = confidence_of(values, [None] * count)
    assert made is not None
    assert made.p10_logprob == sorted(values)[rank]
    assert rank == math.floor(0.1 * (count - 1))


def test_an_impossible_runner_up_is_no_error() -> None:
    made = confidence_of([0.0], [-math.inf])
    assert made is not None
    assert made.top2_margin == 1.0


def test_lists_of_different_lengths_are_a_bug() -> None:
    with pytest.raises(ValueError, match="zip"):
        confidence_of([-0.1], [])


def test_values_have_the_same_features_over_their_tokens_alone() -> None:
    chosen, runner_up = [-0.01, -0.1, 0.0, -2.0, -0.3, 0.0], [-9.0, -3.0, None, -0.5, None, None]
    values = [ValueToken(1, "a"), ValueToken(3, "b"), ValueToken(4, "b")]
    made = confidence_of(chosen, runner_up, values)
    alone = confidence_of([-0.1, -2.0, -0.3], [-3.0, -0.5, None])
    assert made is not None
    assert alone is not None
    assert made.tokens == 6
    assert made.mean_logprob == pytest.approx(-2.41 / 6)
    assert made.value_mean_logprob == alone.mean_logprob
    assert (made.value_min_logprob, made.value_p10_logprob) == (-2.0, -2.0)
    assert made.value_top2_margin == alone.top2_margin
    assert made.value_tokens == 3
    assert made.fields == (("a", -0.1), ("b", -2.0))


def test_a_token_of_two_fields_is_one_value_token() -> None:
    made = confidence_of([-1.0, -2.0], [None, None], [ValueToken(1, "a"), ValueToken(1, "b")])
    assert made is not None
    assert made.value_tokens == 1
    assert made.value_mean_logprob == -2.0
    assert made.fields == (("a", -2.0), ("b", -2.0))


def test_without_values_nothing_is_said_of_them() -> None:
    made = confidence_of([-1.0], [None])
    assert made is not None
    assert (made.value_mean_logprob, made.value_tokens, made.fields) == (None, None, ())


def test_a_value_that_was_not_generated_is_a_bug() -> None:
    with pytest.raises(IndexError):
        confidence_of([-1.0], [None], [ValueToken(1, "a")])


@given(st.lists(st.floats(-50, 0), min_size=1, max_size=50))
def test_minimum_quantile_and_mean_are_in_order(values: list[float]) -> None:
    made = confidence_of(values, [None] * len(values))
    assert made is not None
    assert made.min_logprob <= made.p10_logprob <= max(values)
    assert made.min_logprob - 1e-9 <= made.mean_logprob <= max(values) + 1e-9
    assert made.tokens == len(values)
