"""Which submission of a job to attach to, and under which id to start one: pure decisions.

The id comes from the job's name and from what makes it the same work, so that a second submit of
the same job finds the first while it goes on. One that is over is never taken for the answer: the
objects are, and only a driver reads them. So the next attempt starts under the suffix -2, -3, ...
(Ray keeps ids) and takes up the same run: it resumes what failed, ends at once where all is
done, and refuses input that is not the run's.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass

from jobs.locations import is_local
from jobs.model_folder import is_path
from jobs.spec.job import JobSpec

_GOES_ON = frozenset({"PENDING", "RUNNING"})


@dataclass(frozen=True, slots=True)
class Attach:
    """Follow the submission that is there."""

    submission_id: str


@dataclass(frozen=True, slots=True)
class Start:
    """Start a submission under a new id."""

    submission_id: str


def submission_id(spec: JobSpec) -> str:
    """The id of the first submission of this job.

    How fast it runs, and what interrupts it, does not count: a job with other limits, replicas,
    prices or sources of notices is the same work.
    """
    work = spec.model_dump(mode="json", exclude={"limits", "spot"})
    for tier in work["tiers"]:
        for operational in ("replicas", "usd_per_hour", "num_cpus", "num_gpus", "accelerator"):
            del tier[operational]
    text = json.dumps(work, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return f"gleaner-{spec.name}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def local_places(spec: JobSpec) -> dict[str, str]:
    """By field, the paths of a loaded job that every node of the cluster has to have."""
    places = {
        f"tiers[{index}].model": tier.model
        for index, tier in enumerate(spec.tiers)
        if is_path(tier.model)
    }
    places |= {f"input.uri[{i}]": uri for i, uri in enumerate(spec.input.uri) if is_local(uri)}
    given = {"output": spec.output, "checkpoint": spec.checkpoint}
    return places | {field: uri for field, uri in given.items() if is_local(uri)}


def decide(base_id: str, statuses: Mapping[str, str]) -> Attach | Start:
    """What to do, given Ray's status of every submission id it knows."""
    attempt, latest = 1, None
    while (candidate := _attempt_id(base_id, attempt)) in statuses:
        latest, attempt = candidate, attempt + 1
    if latest is not None and statuses[latest] in _GOES_ON:
        return Attach(latest)
    return Start(candidate)


def _attempt_id(base_id: str, attempt: int) -> str:
    return base_id if attempt == 1 else f"{base_id}-{attempt}"
