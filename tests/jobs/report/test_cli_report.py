"""`gleaner report` on stores on disk."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from checkpoints import keys
from checkpoints.local_store import LocalStore
from checkpoints.receipts import ReceiptLog
from jobs.cli.main import app
from jobs.exit_codes import Exit
from jobs.spec.file import load_spec
from tests.checkpoints.checkpoint_builders import (
    one_slice,
    planned,
    receipt_of,
    result_object,
    rows_of,
)


def gleaner(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


@pytest.fixture
def job(tmp_path: Path) -> str:
    path = tmp_path / "job.yaml"
    path.write_text(
        "name: j\ninput: {uri: docs}\ntask: {prompt: '{{ text }}'}\n"
        "tiers: [{name: small, model: org/m}]\noutput: out\n"
    )
    return str(path)


def test_a_page_is_written_and_replaced(job: str, tmp_path: Path) -> None:
    spec, out = load_spec(Path(job)), tmp_path / "pages" / "it.html"
    checkpoint, output = LocalStore(Path(spec.checkpoint)), LocalStore(Path(spec.output))
    _, shards = planned(checkpoint, [[one_slice()], [one_slice("b.jsonl")]])
    for shard in shards:
        rows = rows_of(shard)
        output.create(keys.result_key(shard.number), result_object(shard.number, rows))
        ReceiptLog(checkpoint, shard.number).append([receipt_of(shard.number, rows)])

    made = gleaner("report", job, "--out", str(out), "--json")
    assert made.exit_code == Exit.DONE, made.stderr
    told = json.loads(made.stdout.splitlines()[-1])
    assert told == {"report": str(out), "run_id": "run-1", "state": "stale", "proven": None}
    assert "not known" in out.read_text()
    assert "Over time" in out.read_text()

    assert gleaner("report", job, "--out", str(out), "--verify").exit_code == Exit.DONE
    assert "6 documents: 6 ok, 0 error, 0 missing, 0 duplicate" in out.read_text()


def test_without_a_run_nothing_is_written(job: str, tmp_path: Path) -> None:
    refused = gleaner("report", job, "--out", str(tmp_path / "it.html"))
    assert refused.exit_code == Exit.BAD_USAGE
    assert "there is no run" in refused.stderr
    assert not (tmp_path / "it.html").exists()
