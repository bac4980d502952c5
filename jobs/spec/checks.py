"""Rules that span several parts of a job spec.

They work on the raw tree, as far as it has the right shape, so that a spec with errors inside its
parts still hears about errors between them at once.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from jobs.locations import bucket_root, overlap
from jobs.spec.errors import Problem, did_you_mean
from jobs.spec.route_checks import route_checks


def default_checkpoint(output: object) -> str | None:
    """The sibling of the output in which a resume's state lies unless the spec says otherwise."""
    if not isinstance(output, str) or not output.rstrip("/") or bucket_root(output):
        return None
    return output.rstrip("/") + "-checkpoint"


def cross_checks(tree: Mapping[str, object]) -> list[Problem]:
    """Everything wrong between the parts of a spec (as read from YAML, before or after parsing)."""
    names = [str(tier.get("name")) for tier in _tiers(tree) if tier.get("name")]
    return [
        *_locations(tree),
        *_tier_names(names),
        *route_checks(tree, names),
        *_lengths(tree),
    ]


def check_template_variables(
    variables: Iterable[str], available_fields: Collection[str], field: str = "task.prompt"
) -> list[Problem]:
    """Variables of the template under `field` that no document has.

    `available_fields` are the fields seen in the first documents of the input; {{ text }} is always
    there.
    """
    known = {"text", *available_fields}
    return [
        Problem(
            field,
            f"no document has a field {name}",
            name,
            did_you_mean(name, known) or f"use one of: {', '.join(sorted(known))}",
        )
        for name in sorted(set(variables) - known)
    ]


def _locations(tree: Mapping[str, object]) -> Iterable[Problem]:
    output, checkpoint = tree.get("output"), tree.get("checkpoint")
    if not isinstance(output, str) or not output:
        return
    if not isinstance(checkpoint, str):
        checkpoint = default_checkpoint(output)
        if checkpoint is None:
            yield Problem(
                "checkpoint",
                "is needed, because the output is a whole bucket",
                output,
                "name a place for the state of the run, or put the output under a prefix",
            )
            return
    if overlap(output, checkpoint):
        yield Problem(
            "checkpoint",
            f"overlaps output {output}",
            checkpoint,
            "put one outside the other, e.g. side by side",
        )
    source = tree.get("input")
    uris = source.get("uri") if isinstance(source, Mapping) else None
    for uri in (uris,) if isinstance(uris, str) else uris if isinstance(uris, list) else ():
        if not isinstance(uri, str):
            continue
        for field, place in (("output", output), ("checkpoint", checkpoint)):
            if overlap(uri, place):
                yield Problem(
                    field,
                    f"overlaps input {uri}, so results would be read as documents",
                    place,
                    f"move {field} outside the input, or narrow input.uri with a glob",
                )


def _tiers(tree: Mapping[str, object]) -> list[Mapping[str, object]]:
    tiers = tree.get("tiers")
    return [t for t in tiers if isinstance(t, Mapping)] if isinstance(tiers, list) else []


def _tier_names(names: Sequence[str]) -> Iterable[Problem]:
    for index, name in enumerate(names):
        if name in names[:index]:
            yield Problem(
                f"tiers[{index}].name", "is the name of an earlier tier", name, "choose another"
            )


def _lengths(tree: Mapping[str, object]) -> Iterable[Problem]:
    task = tree.get("task")
    sampling = task.get("sampling") if isinstance(task, Mapping) else None
    given = sampling.get("max_tokens") if isinstance(sampling, Mapping) else None
    of_all = given if isinstance(given, int) else 512
    for index, tier in enumerate(_tiers(tree)):
        own = tier.get("max_tokens")
        max_tokens = own if isinstance(own, int) else of_all
        longest = "its max_tokens" if isinstance(own, int) else "task.sampling.max_tokens"
        engine = tier.get("engine")
        length = engine.get("max_model_len") if isinstance(engine, Mapping) else None
        if isinstance(length, int) and max_tokens >= length > 0:
            yield Problem(
                f"tiers[{index}].engine.max_model_len",
                f"leaves no room for a prompt beside {longest} ({max_tokens})",
                length,
                "raise it, or lower max_tokens",
            )
