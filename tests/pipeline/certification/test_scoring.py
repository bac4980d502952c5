"""From confidence to a score: the features, the model, the fit."""

import json
import math
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkpoints.result import Confidence
from pipeline.certification.scoring import (
    FEATURES,
    MOST_LOG_ODDS,
    FloatArray,
    ScoreModel,
    auroc,
    features,
    fit_score,
    log_odds,
)

PLAIN = Confidence(-0.5, -2.0, -1.0, 0.4, 7)
RICH = replace(
    PLAIN,
    value_mean_logprob=-0.7,
    value_min_logprob=-3.0,
    value_p10_logprob=-2.5,
    value_top2_margin=0.2,
    value_tokens=3,
    self_check=0.9,
    fields=(("a", -0.1), ("b", -3.0)),
)


def named(confidence: Confidence | None) -> dict[str, float]:
    return dict(zip(FEATURES, features(confidence), strict=True))


def sample(count: int = 400, seed: int = 1) -> tuple[FloatArray, FloatArray]:
    """Answers that are good with a probability that two of the features tell."""
    chance = np.random.default_rng(seed)
    made = chance.normal(size=(count, len(FEATURES))) * 3 + 5
    odds = 1.5 * (made[:, 1] - 5) / 3 - 1.0 * (made[:, 4] - 5) / 3 + 0.5
    return made, (chance.random(count) > 1 / (1 + np.exp(-odds))).astype(np.float64)


def test_features_are_log_odds_of_what_the_confidence_says() -> None:
    made = named(RICH)
    assert made["mean"] == pytest.approx(math.log(math.exp(-0.5) / (1 - math.exp(-0.5))))
    assert made["value_min"] == made["weakest_field"] == log_odds(-3.0)
    assert (made["top2_margin"], made["value_top2_margin"]) == (0.4, 0.2)
    assert (made["log_tokens"], made["log_value_tokens"]) == (math.log(8), math.log(4))
    assert made["self_check"] == 0.9


def test_where_nothing_is_known_of_values_all_tokens_stand_for_them() -> None:
    made = named(PLAIN)
    for name in ("mean", "min", "p10", "top2_margin"):
        assert made[f"value_{name}"] == made[name]
    assert made["weakest_field"] == made["min"]
    assert made["log_value_tokens"] == made["log_tokens"]
    assert made["self_check"] == 0.5


def test_a_label_without_fields_is_as_weak_as_its_weakest_value() -> None:
    assert named(replace(RICH, fields=()))["weakest_field"] == log_odds(-3.0)


def test_no_confidence_is_worse_than_any() -> None:
    worst, some = named(None), named(PLAIN)
    assert all(worst[name] <= some[name] for name in FEATURES)


@pytest.mark.parametrize(
    ("logprob", "odds"),
    [
        (0.0, MOST_LOG_ODDS),
        (1e-3, MOST_LOG_ODDS),
        (-1e-300, MOST_LOG_ODDS),
        (math.log(0.5), 0.0),
        (math.log(0.8), math.log(4)),
        (-14.0, -14.0),
        (-800.0, -MOST_LOG_ODDS),
        (-math.inf, -MOST_LOG_ODDS),
        (math.nan, -MOST_LOG_ODDS),
    ],
)
def test_log_odds_are_finite_everywhere(logprob: float, odds: float) -> None:
    assert log_odds(logprob) == pytest.approx(odds, abs=1e-5)


anything = st.floats()


@given(
    st.none()
    | st.builds(
        Confidence,
        *(anything, anything, anything, anything, st.integers(0, 2**31)),
        *([st.none() | anything] * 4),
        st.none() | st.integers(0, 2**31),
        st.none() | anything,
        st.lists(st.tuples(st.text(max_size=2), anything), max_size=3).map(tuple),
    )
)
def test_features_are_finite_and_of_one_length(confidence: Confidence | None) -> None:
    made = features(confidence)
    assert len(made) == len(FEATURES)
    assert all(map(math.isfinite, made))


def test_a_fit_finds_what_tells_good_from_bad() -> None:
    model = fit_score(*sample())
    fresh, losses = sample(4000, seed=2)
    scores = model.score(fresh)
    assert model.kind == "logistic"
    found = auroc(scores, losses == 0)
    assert found is not None
    assert found > 0.83  # the true odds reach 0.85
    assert max(FEATURES, key=lambda name: abs(model.weights[FEATURES.index(name)])) == "min"


def test_scores_are_calibrated_on_documents_that_the_fit_has_not_seen() -> None:
    model = fit_score(*sample(2000))
    fresh, losses = sample(20_000, seed=2)
    scores = model.score(fresh)
    for low in (0.1, 0.3, 0.5, 0.7, 0.9):
        among = (scores >= low - 0.1) & (scores < low + 0.1)
        assert (1 - losses[among]).mean() == pytest.approx(scores[among].mean(), abs=0.04)


def test_the_same_sample_gives_the_same_model() -> None:
    assert fit_score(*sample()) == fit_score(*sample())


def test_features_that_tell_nothing_are_not_believed() -> None:
    made, _ = sample(200)
    coin = np.random.default_rng(5).integers(0, 2, 200).astype(np.float64)
    assert max(map(abs, fit_score(made, coin).weights)) < 0.15


def test_a_fractional_loss_counts_as_partly_good_and_partly_bad() -> None:
    made, losses = sample(300)
    partly = np.where(losses == 1, 0.75, 0.25)
    doubled = np.repeat(made, 4, axis=0)
    pattern = {0.75: [1, 1, 1, 0], 0.25: [1, 0, 0, 0]}
    whole = np.array([one for loss in partly for one in pattern[float(loss)]], dtype=np.float64)
    one, other = fit_score(made, partly), fit_score(doubled, whole)
    assert one.intercept == pytest.approx(other.intercept, abs=0.05)
    assert abs(one.score(made) - other.score(made)).max() < 0.05
    assert one.score(made).mean() == pytest.approx(1 - partly.mean(), abs=0.01)


@pytest.mark.parametrize("loss", [0.0, 1.0])
def test_a_sample_of_one_kind_gives_a_constant(loss: float) -> None:
    made, _ = sample(50)
    model = fit_score(made, np.full(50, loss))
    assert model.kind == "constant"
    scores = model.score(made)
    assert np.ptp(scores) == 0
    assert scores[0] == pytest.approx((50 * (1 - loss) + 0.5) / 51)


def test_fewer_than_ten_rows_give_a_constant() -> None:
    made, losses = sample(9)
    assert fit_score(made, losses).kind == "constant"
    nothing = fit_score(made[:0], losses[:0])
    assert (nothing.kind, nothing.score(made[0]).item()) == ("constant", 0.5)


def test_features_that_are_all_alike_give_a_constant() -> None:
    _, losses = sample(100)
    assert fit_score(np.full((100, len(FEATURES)), -7.3), losses).kind == "constant"


def test_a_constant_feature_among_others_has_no_weight() -> None:
    made, losses = sample()
    made[:, 3] = 0.1
    model = fit_score(made, losses)
    assert (model.kind, model.weights[3]) == ("logistic", 0.0)
    shifted = made.copy()
    shifted[:, 3] = 9.0
    assert (model.score(made) == model.score(shifted)).all()


def test_a_sample_that_a_feature_separates_is_fitted_too() -> None:
    made, _ = sample(60)
    model = fit_score(made, (made[:, 1] < 5).astype(np.float64))
    assert auroc(model.score(made), made[:, 1] >= 5) == pytest.approx(1.0, abs=0.05)


def test_a_model_comes_back_from_json_to_the_last_bit() -> None:
    for model in (fit_score(*sample()), fit_score(*sample(3))):
        again = ScoreModel.of_json(json.loads(json.dumps(model.as_json())))
        assert again == model
        made, _ = sample(20, seed=9)
        assert (again.score(made) == model.score(made)).all()


@pytest.mark.parametrize(
    "change", [{"kind": "forest"}, {"weights": [1.0]}, {"intercept": None}, {"names": 7}]
)
def test_what_is_no_model_is_refused(change: dict[str, object]) -> None:
    found = fit_score(*sample(3)).as_json() | change
    with pytest.raises((TypeError, ValueError)):
        ScoreModel.of_json(found)


def test_scores_lie_within_0_and_1_and_one_row_scores_as_in_a_table() -> None:
    made, losses = sample()
    model = fit_score(made, losses)
    extreme = np.vstack([made, made * 1e9, made * -1e9])
    scores = model.score(extreme)
    assert ((scores > 0) & (scores < 1)).all()
    assert model.score(made[7]) == scores[7]
    assert model.score(made[7]).shape == ()


@pytest.mark.parametrize(
    ("rows", "losses", "named"),
    [
        (np.zeros((20, 3)), np.zeros(20), "shape"),
        (np.zeros((20, len(FEATURES))), np.zeros(19), "do not fit"),
        (np.full((20, len(FEATURES)), np.nan), np.zeros(20), "NaN"),
        (np.zeros((20, len(FEATURES))), np.full(20, 1.5), "within"),
        (np.zeros((20, len(FEATURES))), np.full(20, np.nan), "within"),
    ],
)
def test_a_sample_that_cannot_be_is_refused(
    rows: FloatArray, losses: FloatArray, named: str
) -> None:
    with pytest.raises(ValueError, match=named):
        fit_score(rows, losses)


def test_other_features_can_be_named() -> None:
    made, losses = sample()
    model = fit_score(made[:, :2], losses, names=("a", "b"))
    assert model.names == ("a", "b")
    with pytest.raises(ValueError, match="expected 2"):
        model.score(made)


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), max_size=30))
def test_auroc_is_the_share_of_pairs_in_order(rows: list[tuple[int, bool]]) -> None:
    right = [score for score, is_right in rows if is_right]
    wrong = [score for score, is_right in rows if not is_right]
    found = auroc(np.array([float(s) for s, _ in rows]), np.array([r for _, r in rows], dtype=bool))
    if not right or not wrong:
        assert found is None
        return
    pairs = [(r > w) + (r == w) / 2 for r in right for w in wrong]
    assert found == pytest.approx(sum(pairs) / len(pairs))


def test_scikit_learn_is_not_loaded_to_score() -> None:
    code = "import sys, pipeline.certification.scoring; assert 'sklearn' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
