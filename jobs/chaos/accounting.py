"""What a run says that interruptions cost it; read from its manifest.

Boundary: a reader of `manifest.json`; the run itself counts. Sums over all attempts of the run.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from checkpoints import keys
from checkpoints.errors import CorruptObjectError
from checkpoints.store import Store
from pipeline.interruptions import Interruptions


@dataclass(frozen=True, slots=True)
class Accounting:
    """The run's own account in flat fields; what was done again are upper bounds.

    `redone_documents` includes `restarted_documents`: those that were begun again because the
    driver or a coordinator had died, whose tokens nobody knows.
    """

    notices: int
    losses: int  # engines that went before they were empty
    losses_under_notice: int  # those of them that had notice
    finished_under_notice: int  # documents
    tokens_under_notice: int  # of the documents finished under it
    notice_used_s: float  # seconds of notices in which documents were finished
    handed_back: int  # documents
    dropped_tokens: int  # generated under notice, and not to be continued elsewhere
    longest_drain_s: float
    salvaged_tokens: int
    redone_documents: int
    restarted_documents: int
    redone_tokens: int
    prefilled_again_tokens: int
    redone_engine_s: float
    redone_gpu_s: float
    redone_usd: float
    restart_s: float  # of engines that replaced others, from their node to being ready
    restart_usd: float


def read_accounting(output: Store) -> Accounting | None:
    """The account in the manifest; None where no attempt has written one.

    Raises:
        CorruptObjectError: the manifest is damaged, or has no account.
    """
    try:
        its = Interruptions.of_fields(json.loads(output.read(keys.MANIFEST))["interruptions"])
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise CorruptObjectError(f"{keys.MANIFEST} has no account: {error}") from error
    return Accounting(
        notices=its.notices,
        losses=its.losses,
        losses_under_notice=its.losses_under_notice,
        finished_under_notice=its.finished_under_notice,
        tokens_under_notice=its.tokens_under_notice,
        notice_used_s=its.used_s,
        handed_back=its.handed_back,
        dropped_tokens=its.dropped_tokens,
        longest_drain_s=its.longest_drain_s,
        salvaged_tokens=its.rework.salvaged_tokens,
        redone_documents=its.rework.documents + its.restarted_documents,
        restarted_documents=its.restarted_documents,
        redone_tokens=its.rework.tokens,
        prefilled_again_tokens=its.rework.prefilled_again_tokens,
        redone_engine_s=its.rework.engine_s,
        redone_gpu_s=its.rework.gpu_s,
        redone_usd=its.rework.usd,
        restart_s=its.starts.restart_seconds,
        restart_usd=its.starts.restart_usd,
    )
