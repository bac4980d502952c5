"""From the confidence in an answer to the probability that the answer is as good as another one.

Boundary: pure; confidences and losses in, a small model out, that is evaluated without the library
it was fitted with. A logistic regression on a few features, as in Gupta et al., ICLR 2024 (arXiv
2404.10136): the features are log odds of token probabilities, since those of a calibrated model are
the log odds of its answer.
Invariants: features are finite and of one length whatever the confidence lacks; the same sample
gives the same model; scores lie strictly between 0 and 1.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from checkpoints.result import Confidence

FloatArray = npt.NDArray[np.float64]

FEATURES: tuple[str, ...] = (
    *("mean", "min", "p10", "top2_margin", "log_tokens"),
    *("value_mean", "value_min", "value_p10", "value_top2_margin", "log_value_tokens"),
    *("weakest_field", "self_check"),
)
MOST_LOG_ODDS = 15.0  # beyond it a float32 probability is 0 or 1
FEWEST = 10  # rows; below it no feature is believed
FEWEST_OF_A_KIND = (
    5  # rows in which the answer is good, and is not, for choosing how much to shrink
)
FOLDS = 5
STRENGTHS = (0.01, 0.1, 1.0, 10.0)  # inverse; of a standard normal prior on the weights
UNCHOSEN_STRENGTH = 0.1
_CLOSEST = 1e-12  # of a score to 0 and to 1


@dataclass(frozen=True, slots=True)
class ScoreModel:
    """score = 1 / (1 + exp(-(intercept + sum of weights * (features - means) / scales)))."""

    kind: Literal["logistic", "constant"]
    names: tuple[str, ...]
    means: tuple[float, ...]
    scales: tuple[float, ...]
    weights: tuple[float, ...]
    intercept: float

    def __post_init__(self) -> None:
        lengths = {len(one) for one in (self.names, self.means, self.scales, self.weights)}
        if len(lengths) != 1:
            raise ValueError(f"names, means, scales and weights differ in length: {lengths}")

    def score(self, features: FloatArray) -> FloatArray:
        """Of shape (n, d), or (d,) for one, shape (n,) or (): the higher, the better the answer.

        Raises ValueError where d is not the model's.
        """
        _check_width(features, self.names)
        standard = (features - np.array(self.means)) / np.array(self.scales)
        odds = np.asarray(standard @ np.array(self.weights) + self.intercept, dtype=np.float64)
        # exp of the negative size: of a large positive number it would overflow.
        small = np.exp(-np.abs(odds))
        score = np.where(odds >= 0, 1.0, small) / (1.0 + small)
        return np.asarray(np.clip(score, _CLOSEST, 1.0 - _CLOSEST), dtype=np.float64)

    def as_json(self) -> dict[str, Any]:
        """Its fields as plain values."""
        return asdict(self)

    @classmethod
    def of_json(cls, found: Mapping[str, Any]) -> ScoreModel:
        """The model that gave these values, also when JSON has carried them.

        Raises KeyError, TypeError or ValueError where none did.
        """
        if found["kind"] not in ("logistic", "constant"):
            raise ValueError(f"kind is {found['kind']!r}, expected logistic or constant")
        return cls(
            kind=found["kind"],
            names=tuple(str(name) for name in found["names"]),
            means=tuple(float(mean) for mean in found["means"]),
            scales=tuple(float(scale) for scale in found["scales"]),
            weights=tuple(float(weight) for weight in found["weights"]),
            intercept=float(found["intercept"]),
        )


def features(confidence: Confidence | None) -> tuple[float, ...]:
    """The values of `FEATURES`; the worst ones where there is no confidence.

    Where it knows nothing of values or fields, those of all tokens stand for them; a self-check
    that was not made counts as undecided.
    """
    if confidence is None:
        return (*(-MOST_LOG_ODDS,) * 3, 0.0, 0.0) * 2 + (-MOST_LOG_ODDS, 0.5)
    its = confidence
    weakest = min((logprob for _, logprob in its.fields), default=None)
    lowest_value = _first(its.value_min_logprob, its.min_logprob)
    return (
        log_odds(its.mean_logprob),
        log_odds(its.min_logprob),
        log_odds(its.p10_logprob),
        _within(its.top2_margin, -1.0, 1.0),
        math.log1p(its.tokens),
        log_odds(_first(its.value_mean_logprob, its.mean_logprob)),
        log_odds(lowest_value),
        log_odds(_first(its.value_p10_logprob, its.p10_logprob)),
        _within(_first(its.value_top2_margin, its.top2_margin), -1.0, 1.0),
        math.log1p(its.tokens if its.value_tokens is None else its.value_tokens),
        log_odds(_first(weakest, lowest_value)),
        _within(_first(its.self_check, 0.5), 0.0, 1.0),
    )


def log_odds(logprob: float) -> float:
    """log(p / (1 - p)) of p = exp(logprob), within +-`MOST_LOG_ODDS`; of NaN the lowest."""
    if not logprob < 0.0:
        return -MOST_LOG_ODDS if math.isnan(logprob) else MOST_LOG_ODDS
    if logprob < -MOST_LOG_ODDS:
        return -MOST_LOG_ODDS
    return _within(logprob - math.log(-math.expm1(logprob)), -MOST_LOG_ODDS, MOST_LOG_ODDS)


def fit_score(
    features: FloatArray, losses: FloatArray, names: Sequence[str] = FEATURES
) -> ScoreModel:
    """A model of 1 - loss; features of shape (n, d), d names, losses of shape (n,).

    A loss between 0 and 1 counts as a good answer of weight 1 - loss and a bad one of weight loss.
    The model is constant, near the mean (add-half), where fewer than `FEWEST` rows, only one kind
    of answer or no feature that differs leave nothing to fit. Raises ValueError for values that
    are not finite, losses outside [0, 1] and shapes that do not fit.
    """
    _check_sample(features, losses, names)
    means = features.mean(axis=0) if len(losses) else np.zeros(len(names))
    spread = features.std(axis=0) if len(losses) else np.zeros(len(names))
    differs = spread > 1e-9 * (1.0 + np.abs(means))
    scales = np.where(differs, spread, 1.0)
    bad = float(losses.sum())
    good = len(losses) - bad
    model = ScoreModel(
        kind="constant",
        names=tuple(names),
        means=tuple(means.tolist()),
        scales=tuple(scales.tolist()),
        weights=(0.0,) * len(names),
        intercept=math.log((good + 0.5) / (bad + 0.5)),
    )
    if len(losses) < FEWEST or not differs.any() or min(good, bad) <= 0.0:
        return model
    standard = (features - means) / scales * differs
    weights, intercept = _fitted(standard, losses, _strength(standard, losses))
    return replace(model, kind="logistic", weights=tuple(weights.tolist()), intercept=intercept)


def auroc(scores: FloatArray, is_right: npt.NDArray[np.bool_]) -> float | None:
    """P(a right answer scores higher than a wrong one), ties half; None without both kinds.

    Both of shape (n,). By ranks: Mann and Whitney, 1947.
    """
    right = int(is_right.sum())
    wrong = len(is_right) - right
    if not right or not wrong:
        return None
    _, places, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2.0)[places]
    return float((ranks[is_right].sum() - right * (right + 1) / 2.0) / (right * wrong))


def _strength(standard: FloatArray, losses: FloatArray) -> float:
    """The strength whose models say most about rows that they have not seen."""
    bad = int((losses >= 0.5).sum())
    if min(bad, len(losses) - bad) < FEWEST_OF_A_KIND:
        return UNCHOSEN_STRENGTH
    fold = np.empty(len(losses), dtype=np.intp)
    fold[np.argsort(losses, kind="stable")] = np.arange(len(losses)) % FOLDS
    folds = [fold == left_out for left_out in range(FOLDS)]
    surprises = [
        math.fsum(_surprise(standard, losses, unseen, strength) for unseen in folds)
        for strength in STRENGTHS
    ]
    return STRENGTHS[int(np.argmin(surprises))]


def _surprise(
    standard: FloatArray, losses: FloatArray, unseen: npt.NDArray[np.bool_], strength: float
) -> float:
    """Minus the log likelihood of the unseen rows under a model of the others."""
    weights, intercept = _fitted(standard[~unseen], losses[~unseen], strength)
    odds, its = standard[unseen] @ weights + intercept, losses[unseen]
    return float((np.logaddexp(0, -odds) * (1 - its) + np.logaddexp(0, odds) * its).sum())


def _fitted(standard: FloatArray, losses: FloatArray, strength: float) -> tuple[FloatArray, float]:
    # Imported here: it takes a second, and only who fits needs it.
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=strength, max_iter=1000)
    model.fit(
        np.vstack([standard, standard]),
        np.repeat([1, 0], len(losses)),
        sample_weight=np.concatenate([1.0 - losses, losses]),
    )
    return np.asarray(model.coef_[0], dtype=np.float64), float(model.intercept_[0])


def _check_sample(features: FloatArray, losses: FloatArray, names: Sequence[str]) -> None:
    _check_width(features, names)
    if features.ndim != 2 or losses.shape != features.shape[:1]:
        raise ValueError(
            f"features of shape {features.shape} and losses of shape {losses.shape} do not fit: "
            f"expected (n, {len(names)}) and (n,)"
        )
    if not np.isfinite(features).all():
        raise ValueError("features hold NaN or infinity: make them with scoring.features")
    if not ((losses >= 0.0) & (losses <= 1.0)).all():
        raise ValueError("losses are not all within [0, 1]")


def _check_width(features: FloatArray, names: Sequence[str]) -> None:
    if not features.ndim or features.shape[-1] != len(names):
        raise ValueError(f"features of shape {features.shape}: expected {len(names)} in a row")


def _first(value: float | None, otherwise: float) -> float:
    return otherwise if value is None else value


def _within(value: float, least: float, most: float) -> float:
    """`value`, or what of the bounds is nearest; of NaN the least."""
    return least if math.isnan(value) else min(most, max(least, value))
