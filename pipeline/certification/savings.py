"""What a way through the tiers saves against the reference alone, measured document by document.

Boundary: pure arithmetic on costs of the same documents both ways; normal approximations, which are
no promise (the promise of quality is certify.py's).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

from pipeline.certification.sample import FloatArray


@dataclass(frozen=True, slots=True)
class Saving:
    """Expected costs per document, and the share of the reference's that is saved.

    `low` and `high` are a 95 % interval of `share`, whose spread comes from the documents alone.
    """

    cost: float
    reference_cost: float
    share: float
    low: float
    high: float

    @property
    def pays(self) -> bool:
        """Whether it is really cheaper, as far as the sample can tell."""
        return self.low > 0


def saving_of(costs: FloatArray, reference_costs: FloatArray) -> Saving:
    """The saving of `costs` (n,) against `reference_costs` (n,) of the same documents, n > 0.

    The ratio's standard error is that of the residuals saved - share * reference cost, divided by
    the mean reference cost (linearisation, Cochran 1977, section 6.4). A reference that costs
    nothing saves nothing.
    """
    cost, reference_cost = float(costs.mean()), float(reference_costs.mean())
    if reference_cost <= 0:
        return Saving(cost, reference_cost, 0.0, 0.0, 0.0)
    share = 1 - cost / reference_cost
    residuals = (reference_costs - costs) - share * reference_costs
    error = _standard_error(residuals) / reference_cost
    reach = NormalDist().inv_cdf(0.975) * error
    return Saving(cost, reference_cost, share, share - reach, share + reach)


def lower_bound(values: FloatArray, *, confidence: float = 0.95) -> float:
    """One-sided lower bound of the mean of `values` (n,), n > 0."""
    return float(values.mean()) - NormalDist().inv_cdf(confidence) * _standard_error(values)


def _standard_error(values: FloatArray) -> float:
    """Of the mean; infinite for one value, which tells nothing of the spread."""
    count = len(values)
    return float(values.std(ddof=1)) / math.sqrt(count) if count > 1 else math.inf
