"""The gold file: what is expected of every document in a generated folder.

Boundary: one JSON object a line; read by whoever scores a run.
Invariant: a row names its document by `source` (path relative to the documents folder) and, inside
a jsonl file, by `row` from 0; `answer` is null exactly where `error` names a code.
"""

import json
from dataclasses import dataclass

from jobs.demo.answer import Answer, Difficulty
from jobs.demo.bad import Fault


@dataclass(frozen=True)
class Place:
    """Where a document lies; `row` and `document_id` are None for a file of its own."""

    source: str
    row: int | None = None
    document_id: str | None = None


@dataclass(frozen=True)
class Gold:
    """The expected answer of one good document."""

    place: Place
    answer: Answer
    difficulty: Difficulty

    def to_json(self) -> str:
        """One line of the gold file."""
        fields = _place_fields(self.place) | {
            "answer": json.loads(self.answer.to_json()),
            "error": None,
            "difficulty": self.difficulty.value,
            "kind": self.answer.kind.value,
        }
        return json.dumps(fields, ensure_ascii=False)


@dataclass(frozen=True)
class GoldFault:
    """The expected error code of one bad document."""

    place: Place
    fault: Fault

    def to_json(self) -> str:
        """One line of the gold file."""
        fields = _place_fields(self.place) | {
            "answer": None,
            "error": self.fault.value,
            "difficulty": None,
            "kind": None,
        }
        return json.dumps(fields, ensure_ascii=False)


def _place_fields(place: Place) -> dict[str, object]:
    return {"id": place.document_id, "source": place.source, "row": place.row}
