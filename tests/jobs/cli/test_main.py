"""The command line: help at once, errors in one line, an exit code that scripts can trust."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from checkpoints import errors
from checkpoints.local_store import LocalStore
from checkpoints.plan import write_plan
from checkpoints.run import RunRecord, fingerprint, open_run
from jobs.cli.errors import explain
from jobs.cli.main import app
from jobs.exit_codes import Exit, exit_of_state
from jobs.interrupts import StopSwitch
from jobs.ray_session import use_token_if_given
from jobs.spec.file import load_spec
from jobs.wiring import identity_of
from pipeline.certification.route_errors import CertificateError, RouteRefusedError
from pipeline.loaders.input_errors import (
    InputAccessError,
    InputChangedError,
    InputUnavailableError,
    NoDocumentsError,
)

COMMANDS = [
    "init",
    "schema",
    "validate",
    "plan",
    "explain",
    "run",
    "submit",
    "status",
    "verify",
    "cancel",
    "runs",
    "report",
    "calibrate",
    "chaos",
]


def gleaner(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def last_json(result: Result) -> dict[str, object]:
    value: dict[str, object] = json.loads(result.stdout.splitlines()[-1])
    return value


def job_file(folder: Path) -> str:
    path = folder / "job.yaml"
    path.write_text(
        "name: j\ninput: {uri: docs}\ntask: {prompt: '{{ text }}'}\n"
        "tiers: [{name: s, model: org/m}]\noutput: out\n"
    )
    return str(path)


def test_every_command_has_help_with_an_example() -> None:
    overview = gleaner("--help").stdout
    for command in COMMANDS:
        assert command in overview
        words = gleaner(command, "--help").stdout
        assert f"Example: gleaner {command}" in words
        assert "--json" in words
        assert "--debug" in words


def test_help_imports_nothing_heavy() -> None:
    heavy = ("ray", "torch", "pydantic", "pyarrow", "numpy", "jinja2", "boto3")
    code = f"import sys, jobs.cli.main; print([m for m in {heavy} if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_init_writes_a_valid_example_and_never_overwrites(tmp_path: Path) -> None:
    path = tmp_path / "new" / "job.yaml"
    assert gleaner("init", str(path)).exit_code == 0
    valid = gleaner("validate", str(path), "--offline", "--json")
    assert valid.exit_code == 0
    assert last_json(valid) == {"valid": True}

    path.write_text("mine")
    refused = gleaner("init", str(path))
    assert refused.exit_code == Exit.BAD_USAGE
    assert "overwrite it with --force" in refused.stderr
    assert path.read_text() == "mine"
    assert gleaner("init", str(path), "--force").exit_code == 0
    assert path.read_text() != "mine"
    assert gleaner("init", str(tmp_path), "--json").exit_code == 0  # a folder
    assert (tmp_path / "job.yaml").is_file()


def test_the_schema_documents_every_field() -> None:
    schema = last_json(gleaner("schema", "--json"))
    assert json.loads(gleaner("schema").stdout) == schema
    assert list(schema["properties"]) == [  # type: ignore[call-overload]
        "name",
        "input",
        "task",
        "tiers",
        "route",
        "output",
        "checkpoint",
        "limits",
        "spot",
    ]
    assert schema["required"] == ["name", "input", "task", "tiers", "output"]
    parts = [schema, *schema["$defs"].values()]  # type: ignore[attr-defined]
    undocumented = [
        name
        for part in parts
        for name, field in part["properties"].items()
        if "description" not in field and name != "type"
    ]
    assert undocumented == []


def test_the_example_fits_the_schema() -> None:
    import jsonschema
    import yaml

    from jobs.example import example_text

    jsonschema.validate(yaml.safe_load(example_text()), last_json(gleaner("schema", "--json")))


def test_a_bad_job_ends_with_its_problems_and_exit_code_2(tmp_path: Path) -> None:
    path = tmp_path / "job.yaml"
    path.write_text("name: j\n")
    result = gleaner("validate", str(path), "--json")
    assert result.exit_code == Exit.BAD_USAGE
    assert last_json(result)["errors"] == [
        "input: is missing - add it",
        "task: is missing - add it",
        "tiers: is missing - add it",
        "output: is missing - add it",
    ]
    assert "Traceback" not in result.stderr
    assert "Traceback" in gleaner("validate", str(path), "--debug").stderr


def test_status_cancel_and_verify_of_no_run_say_so(tmp_path: Path) -> None:
    job = job_file(tmp_path)
    for command in ("status", "cancel", "verify"):
        result = gleaner(command, job, "--json")
        assert (command, result.exit_code) == (command, Exit.BAD_USAGE)
        assert "run" in str(last_json(result)["errors"])


def test_status_cancel_and_runs_read_what_is_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobs.status.UNCHANGED_S", 0.0)
    job = job_file(tmp_path)
    checkpoint = LocalStore(tmp_path / "out-checkpoint")
    record = RunRecord("abc", "j", fingerprint({}), {}, str(tmp_path / "out"), 5.0)
    open_run(checkpoint, record)

    assert last_json(gleaner("status", job, "--json"))["state"] == "stale"
    cancelled = gleaner("cancel", job, "--wait")
    assert cancelled.exit_code == 0
    assert "no driver seems to run" in cancelled.stdout
    (found,) = last_json(gleaner("runs", str(tmp_path), "--json"))["runs"]  # type: ignore[misc]
    assert found["uri"] == str(tmp_path / "out-checkpoint")
    assert found["state"] == "stale"
    assert "abc" in gleaner("runs", str(tmp_path)).stdout


def test_verify_warns_of_a_job_that_is_not_the_one_that_ran_and_exits_by_its_verdict(
    tmp_path: Path,
) -> None:
    job = Path(job_file(tmp_path))
    checkpoint = LocalStore(tmp_path / "out-checkpoint")
    identity = fingerprint({**identity_of(load_spec(job)), "input": "a digest"})
    open_run(checkpoint, RunRecord("abc", "j", identity, {}, str(tmp_path / "out"), 5.0))
    write_plan(checkpoint, [])

    same = gleaner("verify", str(job), "--json")
    assert (same.exit_code, last_json(same)["differs"]) == (Exit.DONE, [])
    assert "warning" not in gleaner("verify", str(job)).stdout

    job.write_text(job.read_text().replace("{{ text }}", "Skim {{ text }}"))
    changed = gleaner("verify", str(job), "--json")
    assert (changed.exit_code, last_json(changed)["differs"]) == (Exit.DONE, ["task.prompt"])
    words = gleaner("verify", str(job)).stdout
    assert "warning: this job is not the one that made these results" in words
    assert "task.prompt" in words


@pytest.mark.parametrize(
    ("error", "exit_code"),
    [
        (errors.LeaseHeldError("held"), Exit.DRIVER_ALIVE),
        (errors.FencedError("fenced"), Exit.DRIVER_ALIVE),
        (errors.LeaseExpiredError("expired"), Exit.UNREACHABLE),
        (errors.ChangedRunError("changed", ["task.prompt"]), Exit.CHANGED_RUN),
        (errors.UnsafeStoreError("unsafe"), Exit.UNSAFE_STORE),
        (errors.NoRunError("none"), Exit.BAD_USAGE),
        (errors.CorruptObjectError("broken"), Exit.FAILED),
        (NoDocumentsError("input.uri", "matches nothing", "x", "check"), Exit.BAD_USAGE),
        (InputAccessError("input.uri", "denied", "x", "check"), Exit.UNREACHABLE),
        (InputUnavailableError("s3://b/x", "timeouts"), Exit.UNREACHABLE),
        (InputChangedError("s3://b/x", "vanished"), Exit.CHANGED_RUN),
        (PermissionError("denied"), Exit.UNREACHABLE),
        (FileNotFoundError("bucket b does not exist"), Exit.BAD_USAGE),
        (OSError(errno.ENOSPC, "No space left on device", "/out"), Exit.UNREACHABLE),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), Exit.UNREACHABLE),
        (OSError(errno.EIO, "Input/output error"), Exit.UNREACHABLE),
        (OSError("create s3://b/x: InvalidRequest (400)"), Exit.UNREACHABLE),
        (ConnectionRefusedError("refused"), Exit.UNREACHABLE),
        (KeyboardInterrupt(), Exit.INTERRUPTED),
        (CertificateError("it is for other tiers"), Exit.BAD_USAGE),
        (RouteRefusedError("no cascade pays"), Exit.NOT_CERTIFIED),
        (ZeroDivisionError("a fault"), Exit.FAULT),
    ],
)
def test_every_error_has_one_line_and_its_exit_code(error: BaseException, exit_code: Exit) -> None:
    explained = explain(error)
    assert explained.exit_code is exit_code
    assert len(explained.lines) == 1
    assert "\n" not in explained.lines[0]


def test_a_full_disk_and_a_missing_place_name_the_way_out() -> None:
    full = explain(OSError(errno.ENOSPC, "No space left on device", "/out"))
    assert "/out" in full.lines[0]
    assert "make room" in full.lines[0]
    missing = explain(FileNotFoundError("bucket b does not exist"))
    assert "job file" in missing.lines[0]


def test_the_state_of_a_run_decides_its_exit_code() -> None:
    assert exit_of_state("completed", was_interrupted=True) is Exit.DONE
    assert exit_of_state("failed", was_interrupted=True) is Exit.FAILED
    assert exit_of_state("cancelled") is Exit.CANCELLED
    assert exit_of_state("cancelled", was_interrupted=True) is Exit.INTERRUPTED


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_asks_to_stop_and_the_second_stops(number: signal.Signals) -> None:
    said: list[str] = []
    before = signal.getsignal(number)
    with StopSwitch(lambda: said.append("stopping")) as switch:
        assert not switch.is_on()
        os.kill(os.getpid(), number)
        assert switch.is_on()
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), number)
    assert said == ["stopping"]
    assert signal.getsignal(number) == before


def test_a_token_in_the_environment_is_used() -> None:
    environment = {"RAY_AUTH_TOKEN_PATH": "/token"}
    use_token_if_given(environment)
    assert environment["RAY_AUTH_MODE"] == "token"
    disabled = {"RAY_AUTH_TOKEN": "x", "RAY_AUTH_MODE": "disabled"}
    use_token_if_given(disabled)
    assert disabled["RAY_AUTH_MODE"] == "disabled"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--schedule", "sturm"), "no schedule sturm: known are notice, kill"),
        (("--trace", "trace.json"), "not a trace"),
        (("--trace", "nothing.json"), "nothing.json"),
        (("job.yaml",), "does not exist"),
        (("--out", "."), "is there already"),
    ],
)
def test_a_rehearsal_that_makes_no_sense_starts_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "trace.json").write_text("[]")
    result = gleaner("chaos", *arguments, "--json")
    assert result.exit_code == Exit.BAD_USAGE
    assert words in result.stderr
    assert last_json(result)["exit_code"] == Exit.BAD_USAGE
    assert [file.name for file in tmp_path.iterdir()] == ["trace.json"]
