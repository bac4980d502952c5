"""Numbers in words; pure."""

from __future__ import annotations


def duration(seconds: float | None) -> str:
    """3725 -> "1h02m"; None -> "unknown"."""
    if seconds is None:
        return "unknown"
    whole = round(seconds)
    hours, minutes = divmod(whole // 60, 60)
    if hours >= 48:
        return f"{hours // 24}d{hours % 24:02d}h"
    if hours:
        return f"{hours}h{minutes:02d}m"
    return f"{minutes}m{whole % 60:02d}s" if minutes else f"{whole}s"


def usd(amount_usd: float) -> str:
    """Dollars, with enough digits to see small sums."""
    return f"${amount_usd:,.2f}" if amount_usd >= 1 or amount_usd == 0 else f"${amount_usd:.4f}"


def count(number: int | float) -> str:
    """12345.6 -> "12,346"."""
    return f"{number:,.0f}"


def rate(per_second: float) -> str:
    """Per second; small rates keep a digit."""
    return f"{per_second:,.1f}/s" if per_second < 100 else f"{per_second:,.0f}/s"
