"""Every object key of a run, built and parsed in this one file.

Under `output`: results/, manifest.json, binding.json and certificate.json. Under `checkpoint`:
everything else.
Numbers are padded so that the order of keys is the order of numbers.
"""

import re

RESULTS = "results/"
MANIFEST = "manifest.json"
BINDING = "binding.json"
CERTIFICATE = "certificate.json"
RUN = "run.json"
STATUS = "status.json"
CANCEL = "cancel.json"
PLAN_HEADER = "plan/header.json"
JOURNAL = "journal/"
ROUTE_DRAW = "route/draw.json"
ROUTE_DECISION = "route/decision.json"
RECEIPTS = "receipts/"
LEASES = "lease/"
PREFLIGHT = "preflight/"

_RESULT = re.compile(r"results/shard-(\d{8,18})\.parquet")
_LEASE = re.compile(r"lease/(\d{10,18})\.json")
_JOURNAL = re.compile(r"journal/shard-(\d{8,18})/([0-9A-Za-z_]+)-(\d{6,18})\.jsonl")


def result_key(shard: int) -> str:
    """The result object of a shard, under `output`; its existence proves the shard done."""
    return f"results/shard-{shard:08d}.parquet"


def parse_result_key(key: str) -> int | None:
    """The shard of a result key; None for any other key (also for a wrongly padded one)."""
    match = _RESULT.fullmatch(key)
    if match is None:
        return None
    shard = int(match[1])
    return shard if result_key(shard) == key else None


def plan_part_key(index: int, digest: str) -> str:
    """A part of the plan; its name carries its content's digest."""
    return f"plan/part-{index:05d}-{digest[:16]}.parquet"


def journal_prefix(shard: int) -> str:
    """All journal objects of a shard."""
    return f"journal/shard-{shard:08d}/"


def journal_key(shard: int, writer_id: str, sequence: int) -> str:
    """One journal object; `writer_id` holds letters, digits and '_' only."""
    key = f"{journal_prefix(shard)}{writer_id}-{sequence:06d}.jsonl"
    if parse_journal_key(key) != (shard, writer_id, sequence):
        raise ValueError(f"writer_id {writer_id!r}: use letters, digits and '_' only")
    return key


def parse_journal_key(key: str) -> tuple[int, str, int] | None:
    """(shard, writer id, sequence) of a journal key; None for any other key."""
    match = _JOURNAL.fullmatch(key)
    return None if match is None else (int(match[1]), match[2], int(match[3]))


def receipts_key(token: int, sequence: int) -> str:
    """One object of receipts, written by the driver that held lease `token`."""
    return f"receipts/{token:010d}-{sequence:08d}.parquet"


def route_revision_key(number: int) -> str:
    """One change of the route during a run; they count from 1."""
    return f"route/revision-{number:04d}.json"


def lease_key(token: int) -> str:
    """The lease object with fencing token `token`."""
    return f"lease/{token:010d}.json"


def parse_lease_key(key: str) -> int | None:
    """The fencing token of a lease key; None for any other key."""
    match = _LEASE.fullmatch(key)
    return None if match is None else int(match[1])


def preflight_key(probe_id: str, name: str) -> str:
    """A short-lived object of a store check."""
    return f"preflight/{probe_id}/{name}"
