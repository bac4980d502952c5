"""The route of a run in words; pure, shared by every display."""

from __future__ import annotations

from checkpoints.steps import Tally
from jobs.wording.numbers import count, usd
from pipeline.progress import Snapshot
from pipeline.routing.route_standing import RouteStanding


def route_lines(snapshot: Snapshot) -> list[str]:
    """How documents went through the tiers; nothing where there is only one to ask."""
    route = snapshot.route
    lines = [] if route is None or not has_choice(route) else standing_lines(route)
    if len(snapshot.tiers) > 1:
        lines += [tier_line(name, tally) for name, tally in snapshot.tiers.items()]
    return lines


def has_choice(route: RouteStanding) -> bool:
    """Whether there is anything to say of it: more than one tier, or a reason for just one."""
    return len(route.ladder) > 1 or route.why is not None


def standing_lines(route: RouteStanding) -> list[str]:
    """Why the route is as it is, and what the audit says."""
    first, *changes = news_lines(route)
    if not route.audited:
        return [first, *changes]
    audit = (
        f"audit: {count(route.audited)} documents drawn at random, mean loss "
        f"{route.audit_loss or 0.0:.2%} against {route.ladder[-1]}"
    )
    return [first, audit, *changes]


def news_lines(route: RouteStanding) -> list[str]:
    """What of it does not move: the way and why, and each change."""
    lines = [f"route: {' -> '.join(route.ladder)}" + (f": {route.why}" if route.why else "")]
    for change in route.changes:
        what = "trusted no more"
        if change.threshold is not None:
            what = f"kept from a score of {change.threshold:.3f} on"
        lines.append(f"drift: {route.ladder[0]} is {what}: {change.sentence}")
    return lines


def tier_line(name: str, tally: Tally) -> str:
    """What one tier did."""
    escalated = sum(tally.escalated.values())
    reasons = ", ".join(
        f"{reason.replace('_', ' ')} {count(times)}"
        for reason, times in sorted(tally.escalated.items(), key=lambda one: -one[1])
    )
    return (
        f"tier {name}: {count(tally.documents)} documents, {count(tally.kept)} kept"
        + (f", {count(escalated)} sent on ({reasons})" if escalated else "")
        + f"; {count(tally.prompt_tokens + tally.output_tokens)} tokens, {usd(tally.cost_usd)}"
    )
