"""The engine stage of ray.data.llm with a tap; nothing else about it is changed.

Ray has no public hook between its engine and its output blocks, and a block's time is not a
document's; hence the one import of its internals.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from ray.llm._internal.batch.stages.vllm_engine_stage import vLLMEngineStageUDF

from tests.benchmarks import flight
from tests.benchmarks.tap import Tap


class TappedEngineStage(vLLMEngineStageUDF):  # type: ignore[misc] # ray has no types
    """Writes down when the engine is ready and when it has answered a row."""

    def __init__(self, *args: Any, tap_folder: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._tap = Tap(Path(tap_folder))
        self._tap.ready()
        self._sampling: asyncio.Task[None] | None = None

    async def _generate_with_error_handling(
        self, row: dict[str, Any], batch_uuid: Any
    ) -> dict[str, Any]:
        if self._sampling is None:
            self._sampling = flight.begin(self.llm.engine, self._tap)
        document = str(row["id"])
        answer: dict[str, Any] = await super()._generate_with_error_handling(row, batch_uuid)
        self._tap.answered([document])
        return answer
