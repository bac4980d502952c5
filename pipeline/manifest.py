"""manifest.json beside the results: what the run amounts to, for people and schedulers.

Boundary: written when an attempt ends, whatever its state; read by nothing that decides.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict

from checkpoints import keys
from checkpoints.plan import PlanHeader
from checkpoints.run import RunRecord
from checkpoints.steps import tallies_as_fields
from checkpoints.store import Store
from pipeline.progress import Snapshot

FORMAT_VERSION = 1


def write_manifest(output: Store, run: RunRecord, header: PlanHeader, final: Snapshot) -> None:
    """Overwrite manifest.json under `output`."""
    value = {
        "format_version": FORMAT_VERSION,
        "run_id": run.run_id,
        "name": run.name,
        "state": final.state.value,
        "message": final.message,
        "fingerprint": run.fingerprint.value,
        "plan_digest": header.digest,
        "request_counts": {
            "total": final.documents_total,
            "completed": final.documents_ok,
            "failed": final.documents_error,
        },
        "shards": {"total": final.shards_total, "done": final.shards_done},
        "tokens": {"prompt": final.prompt_tokens, "output": final.output_tokens},
        "cost_usd": final.cost_usd,
        "interruptions": asdict(final.interruptions),
        "tiers": tallies_as_fields(final.tiers),
        "route": None if final.route is None else asdict(final.route),
        "node_watch": asdict(final.node_watch),
        "errors": [asdict(error) for error in final.first_errors],
        "created_unix_s": run.created_unix_s,
        "ended_unix_s": time.time(),
        "elapsed_s": final.elapsed_s,
        "results": keys.RESULTS,
    }
    output.replace(keys.MANIFEST, json.dumps(value, indent=2).encode())
