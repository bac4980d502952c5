"""The job that a rehearsal runs: the bundled one, or a user's with other places.

Boundary: writes one folder. A user's input is read; its output and checkpoint are never touched.
"""

from __future__ import annotations

from pathlib import Path

from jobs.demo.documents import Order, write_folder
from jobs.spec.file import load_spec
from jobs.spec.job import JobSpec
from jobs.spec.route import RouteSpec
from jobs.spec.spot import SpotSpec
from jobs.spec.tiers import Replicas, TierSpec
from jobs.spec.yaml import write_yaml

BUNDLED = Path(__file__).with_name("job.yaml")
JOB_NAME = "job.yaml"
DOCUMENTS = 5000  # of the bundled job
POLL_S = 1.0  # a rehearsal is shorter than two minutes, and so are its notices


def bundled_job(folder: Path, *, documents: int, seed: int) -> JobSpec:
    """The bundled job over documents that are written to `folder` for it."""
    write_folder(Order(documents, seed, rows_share=1.0), folder)
    return load_spec(BUNDLED, {"GLEANER_CHAOS": str(folder)})


def users_job(file: Path, *, documents: int | None) -> JobSpec:
    """A user's job, over its first `documents` documents if so many are named."""
    spec = load_spec(file)
    if documents is None:
        return spec
    limit = documents if spec.input.limit is None else min(documents, spec.input.limit)
    return spec.model_copy(update={"input": spec.input.model_copy(update={"limit": limit})})


def set_aside(spec: JobSpec) -> tuple[str, ...]:
    """The fields of a job that say where its engines run, and that a rehearsal does not follow:
    its nodes are all alike, and no label or GPU type of a real cluster is on them."""
    tier = spec.chosen_tier
    plain = TierSpec(name=tier.name, model=tier.model)
    is_given = {
        "accelerator": tier.accelerator != plain.accelerator,
        "nodes": tier.nodes != plain.nodes,
        "replicas.on_demand": tier.replicas.on_demand != plain.replicas.on_demand,
    }
    return tuple(f"tiers.{tier.name}.{field}" for field, given in is_given.items() if given)


def write_rehearsed(spec: JobSpec, folder: Path, *, nodes: int) -> Path:
    """`spec` with its places in `folder` and one engine per node; gives the job file.

    What `set_aside` names is left out: an engine that asks for a label waits for it forever.
    Every engine node offers one CPU and one GPU to Ray, whatever the machine has: so no engine
    lands on the head, whose room belongs to coordinators. Where there is a GPU, all engines share
    the first.
    """
    chosen = spec.chosen_tier
    share = chosen.engine.gpu_memory_utilization / nodes
    tier = chosen.model_copy(
        update={
            "engine": chosen.engine.model_copy(update={"gpu_memory_utilization": share}),
            "accelerator": None,
            "nodes": (),
            "num_gpus": 1.0,
            "num_cpus": 1.0,
            "replicas": Replicas(max=nodes),
        }
    )
    rehearsed = spec.model_copy(
        update={
            "tiers": (tier,),
            "route": RouteSpec(tier=tier.name),
            "spot": SpotSpec(poll_s=POLL_S),
            "output": str(folder / "output"),
            "checkpoint": str(folder / "checkpoint"),
        }
    )
    file = folder / JOB_NAME
    file.write_text(write_yaml(rehearsed.model_dump(mode="json", exclude_none=True)))
    return file
