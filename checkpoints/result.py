"""The values that a finished shard is made of: one `ResultRow` per document and one `Receipt`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Status = Literal["ok", "error"]


@dataclass(frozen=True, slots=True)
class Confidence:
    """How sure the engine was, from the log-probabilities of the generated tokens."""

    mean_logprob: float
    min_logprob: float
    p10_logprob: float
    top2_margin: float
    tokens: int


@dataclass(frozen=True, slots=True)
class ResultRow:
    """The one result of one document.

    `ordinal` is the document's position in its shard, `fingerprint` that of the run that generated
    it, `passthrough` the (name, value) pairs copied from the input. An `ok` row has a `result`, an
    `error` row an `error_code` and an `error` for people.
    """

    ordinal: int
    id: str
    status: Status
    result: str | None
    error_code: str | None
    error: str | None
    tier: str | None
    finish_reason: str | None
    prompt_tokens: int
    output_tokens: int
    confidence: Confidence | None
    engine_s: float
    cost_usd: float
    fingerprint: str
    source: str
    source_row: int
    passthrough: tuple[tuple[str, str | None], ...] = ()


@dataclass(frozen=True, slots=True)
class Receipt:
    """What one committed shard amounts to.

    documents = ok + error = generated (now) + restored (taken from the journal) + rows that needed
    no engine. `error_codes` counts the error rows by their code.
    """

    shard: int
    documents: int
    ok: int
    error: int
    error_codes: Mapping[str, int]
    prompt_tokens: int
    output_tokens: int
    generated: int
    restored: int
    cost_usd: float
    committed_unix_s: float
