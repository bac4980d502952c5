"""`gleaner watch` on runs on disk."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from checkpoints.local_store import LocalStore
from checkpoints.run import open_run
from jobs.cli.main import app
from jobs.exit_codes import Exit
from jobs.spec.file import load_spec
from pipeline.progress import State
from pipeline.status import save_status
from tests.checkpoints.checkpoint_builders import run_record
from tests.jobs.watch.watch_builders import snapshot


@pytest.fixture
def job(tmp_path: Path) -> Path:
    path = tmp_path / "job.yaml"
    path.write_text(
        "name: j\ninput: {uri: docs}\ntask: {prompt: '{{ text }}'}\n"
        "tiers: [{name: small, model: org/m}]\noutput: out\n"
    )
    return path


def watched(job: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["watch", str(job), *arguments])


@pytest.mark.parametrize(
    ("state", "code"),
    [(State.COMPLETED, Exit.DONE), (State.FAILED, Exit.FAILED), (State.CANCELLED, Exit.CANCELLED)],
)
def test_the_exit_code_tells_how_the_run_ended(job: Path, state: State, code: Exit) -> None:
    checkpoint = LocalStore(Path(load_spec(job).checkpoint))
    open_run(checkpoint, run_record())
    save_status(checkpoint, replace(snapshot(100), state=state))
    found = watched(job, "--json")
    assert found.exit_code == code, found.stderr
    last = json.loads(found.stdout.splitlines()[-1])
    assert last == {"state": str(state), "run_id": "run-1"}


def test_a_page_is_served_only_for_a_run_that_exists(job: Path) -> None:
    refused = watched(job, "--web", "--port", "0")
    assert refused.exit_code == Exit.BAD_USAGE
    assert "there is no run" in refused.stderr
    assert "live page" not in refused.stdout


def test_the_address_of_the_page_is_said(job: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobs.watch.live.LAST_LOOK_S", 0.0)
    checkpoint = LocalStore(Path(load_spec(job).checkpoint))
    open_run(checkpoint, run_record())
    save_status(checkpoint, replace(snapshot(100), state=State.COMPLETED))
    found = watched(job, "--web", "--port", "0")
    assert found.exit_code == Exit.DONE, found.stderr
    assert "live page: http://127.0.0.1:" in found.stdout
