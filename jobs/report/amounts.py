"""Small numbers in words: costs of single documents, shares; pure."""

from __future__ import annotations

import math

from jobs.wording.numbers import usd

PER = 1000  # documents: what one of them costs has too many zeros to be read


def significant(number: float) -> str:
    """With three significant digits, never as a power of ten: 0.001234 -> "0.00123"."""
    if number == 0 or not math.isfinite(number):
        return f"{number:.0f}"
    decimals = max(0, 2 - math.floor(math.log10(abs(number))))
    return f"{number:,.{min(decimals, 12)}f}"


def share(part: float) -> str:
    """0.0212 -> "2.1 %", 0.00041 -> "0.04 %"; never "-0.0 %"."""
    if not math.isfinite(part):
        return "unknown"
    decimals = 1 if part == 0 or abs(part) >= 0.001 else 2
    return f"{round(100 * part, decimals) + 0.0:.{decimals}f} %"


def cost_of_many(cost: float, unit: str) -> str:
    """A sum of costs: USD, or seconds of an engine."""
    return usd(cost) if unit == "USD" else f"{cost:,.1f} s"


def cost_of_documents(cost_of_one: float, unit: str) -> str:
    """What `PER` documents cost at this cost of one."""
    amount = significant(PER * cost_of_one)
    return f"${amount}" if unit == "USD" else f"{amount} s"
