"""What a run says that interruptions cost it; read from its manifest.

Boundary: a reader of `manifest.json`; the run itself counts. Sums over all attempts of the run.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, fields

from checkpoints import keys
from checkpoints.errors import CorruptObjectError
from checkpoints.store import Store

PLACE = "interruptions"


@dataclass(frozen=True, slots=True)
class Accounting:
    """The run's own account; tokens and USD done again are upper bounds."""

    notices: int
    losses: int  # engines that vanished without notice
    handed_back: int  # documents
    salvaged_tokens: int
    redone_documents: int
    redone_tokens: int
    redone_gpu_s: float
    redone_usd: float
    finished_under_notice: int  # documents


def read_accounting(output: Store) -> Accounting | None:
    """The account in the manifest; None where no attempt has written a manifest with one.

    Raises:
        CorruptObjectError: the manifest is damaged, or its account lacks a field.
    """
    try:
        found = json.loads(output.read(keys.MANIFEST)).get(PLACE)
        if found is None:
            return None
        return Accounting(**{field.name: found[field.name] for field in fields(Accounting)})
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CorruptObjectError(f"{keys.MANIFEST} has no account: {error}") from error
