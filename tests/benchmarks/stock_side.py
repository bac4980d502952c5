"""The peer: stock ray.data.llm with CheckpointConfig, jsonl in, Parquet out.

    python -m tests.benchmarks.stock_side FOLDER BATCH_SIZE ROWS_PER_BLOCK ENGINES [ADDRESS]

ROWS_PER_BLOCK 0 leaves the blocks as Ray Data's reader makes them. Running it again resumes.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import ray
from ray.data import DataContext
from ray.data.checkpoint import CheckpointConfig
from ray.data.llm import build_processor, vLLMEngineProcessorConfig

from tests.benchmarks.tapped_stage import TappedEngineStage
from tests.benchmarks.workload import (
    ENGINE,
    MAX_TOKENS,
    MODEL,
    RAY_CPUS,
    SYSTEM_PROMPT,
    Folder,
)


def main(arguments: list[str]) -> None:
    folder = Folder(Path(arguments[0]).absolute())
    batch_size, rows_per_block, engines = (int(one) for one in arguments[1:4])
    connect(arguments[4] if len(arguments) > 4 else None, engines)
    DataContext.get_current().checkpoint_config = CheckpointConfig(
        id_column="id",
        checkpoint_path=str(folder.checkpoint),
        delete_checkpoint_on_success=False,
    )
    documents = ray.data.read_json(str(folder.rows))
    if rows_per_block:
        documents = documents.repartition(target_num_rows_per_block=rows_per_block)
    processor = build_processor(
        vLLMEngineProcessorConfig(
            model_source=str(MODEL),
            engine_kwargs={**ENGINE, "disable_log_stats": True},
            batch_size=batch_size,
            concurrency=(engines, engines),  # a number alone would begin with one of them
            log_engine_metrics=False,
        ),
        preprocess=ask,
        postprocess=keep,
    )
    stage = processor.get_stage_by_name("vLLMEngineStage")
    stage.fn = TappedEngineStage
    stage.fn_constructor_kwargs["tap_folder"] = str(folder.tap)
    processor(documents).write_parquet(str(folder.output))


def connect(address: str | None, engines: int) -> None:
    """Join the Ray at `address`, or start a private one with the GPUs that Ray's stage asks for."""
    if address is not None:
        ray.init(address=address, log_to_driver=False)
        return
    ray.init(
        address="local",
        num_cpus=RAY_CPUS,
        num_gpus=engines,
        include_dashboard=False,
        log_to_driver=False,
    )


def ask(row: dict[str, Any]) -> dict[str, Any]:
    """The request of one row; `detokenize=False` as ray.data.llm's own examples set it."""
    return {
        "id": row["id"],
        "messages": [
            {"role": "system", "content": SYSTEM_PROMPT},
            {"role": "user", "content": row["text"]},
        ],
        "sampling_params": {"temperature": 0.0, "max_tokens": MAX_TOKENS, "detokenize": False},
    }


def keep(row: dict[str, Any]) -> dict[str, Any]:
    """What is written of one row."""
    return {
        "id": row["id"],
        "answer": row["generated_text"],
        "output_tokens": row["num_generated_tokens"],
    }


if __name__ == "__main__":
    main(sys.argv[1:])
