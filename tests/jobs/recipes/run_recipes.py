"""Runs every recipe on a few demo documents with the bundled small model; for test_recipes.py.

    python -m tests.jobs.recipes.run_recipes FOLDER

All engines run in this process, one after the other. The last line of stdout is JSON: for each
recipe its rows, each (status, result, error_code, finish_reason).
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import yaml

from checkpoints.run import open_run
from jobs.demo.document import draw_document
from jobs.recipes.recipe import Recipe, recipes
from jobs.spec.file import parse_spec
from jobs.wiring import build_job
from pipeline.coordinator import Coordinator
from pipeline.engines.vllm_engine import VLLMEngine
from pipeline.intake.listing import list_inputs
from pipeline.intake.planning import plan_input
from pipeline.job import Job
from pipeline.preparing.read_shards import ShardPreparer
from pipeline.routing.route import Route
from pipeline.run import run_record
from tests.flows.flow import MODELS
from tests.pipeline.coordinator_builders import rows_of
from tests.pipeline.engine_builders import work

COUNT = 8
ENGINE = {
    "max_model_len": 1024,
    "max_num_seqs": 8,
    "max_num_batched_tokens": 2048,
    "dtype": "bfloat16",
    "enforce_eager": True,
}


def small_job(recipe: Recipe, folder: Path) -> Job:
    """The recipe as it is, but for its models, its input and the length of its answers."""
    raw: dict[str, Any] = yaml.safe_load(recipe.text)
    for tier in raw["tiers"]:
        tier |= {"model": str(MODELS / "small"), "engine": ENGINE}
        tier.pop("accelerator")
    raw["input"]["uri"] = str(folder / "documents.jsonl")
    raw["task"]["sampling"]["max_tokens"] = min(96, raw["task"]["sampling"]["max_tokens"])
    raw["output"] = f"{recipe.name}/output"
    return build_job(parse_spec(yaml.safe_dump(raw, sort_keys=False), folder))


def write_documents(path: Path) -> None:
    """Rows with the fields that recipes read."""
    drawn = [draw_document(31, index, is_held_out=True).text() for index in range(COUNT)]
    rows = [
        {"id": f"d{n}", "text": text, "subject": "a bill", "body": text, "customer": "c"}
        | {"product": "p"}
        for n, text in enumerate(drawn)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


async def answers(job: Job) -> list[tuple[Any, ...]]:
    """Every row of the job, answered by one engine of its first tier."""
    files = list_inputs(job.source)
    output, checkpoint = job.open_output(), job.open_checkpoint()
    run = open_run(checkpoint, run_record(job, files))
    header = plan_input(files, job.source, checkpoint)
    [first, *_] = job.tiers
    engine = VLLMEngine(first)
    await engine.start()
    its = work(
        run_id=run.run_id,
        fingerprint=run.fingerprint.value,
        tiers=(first,),
        route=Route((first.name,)),
        output_format=job.output_format,
        passthrough=job.source.passthrough,
    )
    coordinator = Coordinator(its, output, checkpoint, {first.name: engine.generate})
    prepare = ShardPreparer(job.source, (first,), job.route.rules, None, job.open_checkpoint)
    for shard, documents in prepare(range(header.shards)):
        assert await coordinator.finish_shard(shard, documents) is not None
    engine._engine.shutdown()
    rows = [row for shard in range(header.shards) for row in rows_of(output, shard)]
    return [(row.status, row.result, row.error_code, row.finish_reason) for row in rows]


async def main(folder: Path) -> None:
    write_documents(folder / "documents.jsonl")
    found = {recipe.name: await answers(small_job(recipe, folder)) for recipe in recipes()}
    print(json.dumps({"recipes": found}))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
