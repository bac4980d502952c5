"""What spans the route of a job spec, its tiers and its task; works on the raw tree."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from jobs.spec.errors import Problem, did_you_mean

_CASCADES = ("cascade", "auto")
_OUTPUTS_OF_LOSS = {"label": ("label",), "fields": ("json",), "document": ("json",)}


def route_checks(tree: Mapping[str, object], tiers: Sequence[str]) -> Iterable[Problem]:
    """Everything wrong between the route and the tiers of these names, and the task."""
    route = tree.get("route")
    for field, name in _tiers_named(route):
        if tiers and name not in tiers:
            known = sorted(set(tiers))
            remedy = did_you_mean(name, known) or f"use one of: {', '.join(known)}"
            yield Problem(field, "names no tier", name, remedy)
    policy = _mapping(route).get("policy")
    if policy in _CASCADES:
        yield from _cascade(str(policy), tiers, _mapping(tree.get("task")))
    yield from _loss(_mapping(route).get("loss"), _mapping(tree.get("task")))


def _tiers_named(route: object) -> Iterable[tuple[str, str]]:
    if isinstance(route, str):
        yield "route", route
        return
    parts = _mapping(route)
    named = [("route.tier", parts.get("tier")), ("route.else", parts.get("else"))]
    rules = parts.get("rules")
    for index, rule in enumerate(rules if isinstance(rules, list) else ()):
        named.append((f"route.rules[{index}].tier", _mapping(rule).get("tier")))
    yield from ((field, name) for field, name in named if isinstance(name, str))


def _cascade(policy: str, tiers: Sequence[str], task: Mapping[str, object]) -> Iterable[Problem]:
    if len(tiers) == 1:
        yield Problem(
            "route.policy",
            "needs two tiers to choose from, but there is one",
            policy,
            "add a tier, or set policy: single",
        )
    if task.get("confidence") is False:
        yield Problem(
            "task.confidence",
            f"is off, but policy {policy} accepts answers by their confidence",
            False,
            "remove it, or set route.policy: rules or single",
        )


def _loss(loss: object, task: Mapping[str, object]) -> Iterable[Problem]:
    kind = _mapping(task.get("output")).get("type", "text")
    fitting = _OUTPUTS_OF_LOSS.get(loss) if isinstance(loss, str) else None
    if fitting is not None and isinstance(kind, str) and kind not in fitting:
        yield Problem(
            "route.loss",
            f"compares answers of type {fitting[0]}, but task.output is {kind}",
            loss,
            "use exact or similarity, or leave it out",
        )


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}
