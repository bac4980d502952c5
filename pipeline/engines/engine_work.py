"""What one engine has done since it started."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.engines.engine import Completion, FinishReason


@dataclass(frozen=True, slots=True)
class EngineWork:
    """Answers that left the engine, and their tokens; what was handed back is none."""

    documents: int = 0
    prompt_tokens: int = 0
    output_tokens: int = 0

    def plus(self, part: Sequence[Completion]) -> EngineWork:
        """With these completions."""
        done = [one for one in part if one.finish_reason is not FinishReason.HANDED_BACK]
        return EngineWork(
            self.documents + len(done),
            self.prompt_tokens + sum(one.prompt_tokens for one in done),
            self.output_tokens + sum(one.output_tokens for one in done),
        )


NO_WORK = EngineWork()
