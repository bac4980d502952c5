"""A driver process for flow tests of cascades: fake engines, of which the small one errs.

    python -m tests.flows.drive_cascade JOB ADDRESS COUNTS DELAY_S [CHANGED_FROM_SHARD]

The small tier is wrong about a fifth of the documents and mostly knows it; from the shard on where
documents change it is wrong about half of them, and as sure as ever.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from checkpoints.result import Confidence
from pipeline.engines.engine import Engine, Request
from pipeline.engines.fake_engine import FakeEngine
from pipeline.engines.tiers import Tier
from tests.flows.counting import CountedEngine
from tests.flows.drive import drive

HARD, CHANGED = 0.2, 0.5  # shares of documents that the small tier gets wrong


@dataclass(frozen=True)
class Minds:
    """Makes the engines of both tiers."""

    folder: str
    delay_s: float
    changed_from_shard: int | None

    def __call__(self, tier: Tier) -> Engine:
        is_small = tier.name == "small"
        engine = FakeEngine(
            answer=self.small if is_small else right,
            confidence=self.confidence,
            delay_s=self.delay_s,
        )
        return CountedEngine(engine, Path(self.folder))

    def small(self, request: Request) -> str:
        """Wrong where the document is hard for it."""
        return "wrong" if self._is_hard(request) else right(request)

    def confidence(self, request: Request) -> Confidence:
        """Low where the document is hard, unless it belongs to those that changed."""
        is_unsure = self._is_hard(request) and not self._is_changed(request)
        unsure = abs(float(_luck(request, 1).normal(2.5 if is_unsure else 0.5, 0.4)))
        return Confidence(-unsure / 4, -unsure, -unsure, 0.5, 10)

    def _is_hard(self, request: Request) -> bool:
        share = CHANGED if self._is_changed(request) else HARD
        return bool(_luck(request, 0).random() < share)

    def _is_changed(self, request: Request) -> bool:
        shard = int(request.id.partition(".")[0])
        return self.changed_from_shard is not None and shard >= self.changed_from_shard


def right(request: Request) -> str:
    """The answer that the reference gives."""
    return f"answer {sum(request.prompt_tokens)}"


def _luck(request: Request, salt: int) -> np.random.Generator:
    return np.random.default_rng([salt, *request.prompt_tokens[-40:]])


def main(arguments: list[str]) -> int:
    job_file, address, counts, delay_s, *rest = arguments
    changed = int(rest[0]) if rest else None
    return drive(Path(job_file), address, Minds(counts, float(delay_s), changed))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
