"""The engines of a run in words; pure, shared by every display."""

from __future__ import annotations

from collections.abc import Sequence

from jobs.wording.numbers import count, duration, rate
from pipeline.fleet import SILENT_S, EngineStanding


def fleet_columns() -> tuple[str, ...]:
    """The heads of `engine_cells`."""
    return ("tier", "node", "machine", "documents", "tokens out", "pace", "state")


def engine_cells(engine: EngineStanding, *, now_unix_s: float) -> tuple[str, ...]:
    """An engine as the cells of a table, one per column."""
    machine = " ".join(part for part in (engine.market, engine.machine, engine.zone) if part)
    return (
        engine.tier,
        engine.node,
        machine or "-",
        count(engine.documents),
        count(engine.output_tokens),
        rate(engine.output_tokens_per_s),
        engine_state(engine, now_unix_s=now_unix_s),
    )


def engine_state(engine: EngineStanding, *, now_unix_s: float) -> str:
    """Whether it works, has to go, or is silent."""
    if engine.has_notice and engine.goes_by_unix_s is not None:
        return f"has to go, {duration(max(0.0, engine.goes_by_unix_s - now_unix_s))} left"
    if engine.has_notice:
        return "has to go"
    if engine.silent_s > SILENT_S:
        return f"silent for {duration(engine.silent_s)}"
    return "works"


def tier_rates(fleet: Sequence[EngineStanding]) -> str:
    """Tokens per second by tier, where there are several; begins with a comma."""
    tiers = list(dict.fromkeys(engine.tier for engine in fleet))
    if len(tiers) < 2:
        return ""
    return "".join(
        f", {tier} {rate(sum(one.output_tokens_per_s for one in fleet if one.tier == tier))}"
        for tier in tiers
    )
