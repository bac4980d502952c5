"""A job submitted twice is one submission; after its end comes a new id, for the same run."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobs.cli.errors import CommandError
from jobs.exit_codes import Exit
from jobs.spec.file import load_spec, parse_spec
from jobs.spec.job import JobSpec
from jobs.submission import Attach, Start, decide, local_places, submission_id
from jobs.submit import JobServer, fill_working_folder, follow

JOB = """
name: invoices
input: {uri: documents}
task: {prompt: "Read {{ text }} for $${A}"}
tiers: [{name: small, model: org/small, replicas: {max: 2}}]
output: s3://bucket/results
limits: {attempts: 3}
spot: {rebalance: cordon}
"""


def spec(*replacements: tuple[str, str]) -> JobSpec:
    text = JOB
    for old, new in replacements:
        assert old in text
        text = text.replace(old, new)
    return parse_spec(text, Path("/jobs"), {})


def test_the_id_follows_from_the_work_alone() -> None:
    first = submission_id(spec())
    assert first.startswith("gleaner-invoices-")
    assert submission_id(spec(("max: 2", "max: 9"), ("attempts: 3", "attempts: 5"))) == first
    assert submission_id(spec(("rebalance: cordon", "rebalance: ignore"))) == first
    for change in [("Read", "Skim"), ("org/small", "org/large"), ("bucket/", "other/")]:
        assert submission_id(spec(change)) != first


@pytest.mark.parametrize(
    ("statuses", "decision"),
    [
        ({}, Start("a")),
        ({"b": "RUNNING", "a-other": "RUNNING"}, Start("a")),
        ({"a": "PENDING"}, Attach("a")),
        ({"a": "RUNNING"}, Attach("a")),
        ({"a": "SUCCEEDED"}, Start("a-2")),
        ({"a": "FAILED"}, Start("a-2")),
        ({"a": "STOPPED", "a-2": "RUNNING"}, Attach("a-2")),
        ({"a": "FAILED", "a-2": "STOPPED"}, Start("a-3")),
        ({"a": "FAILED", "a-2": "SUCCEEDED"}, Start("a-3")),
        ({"a": "SUCCEEDED", "a-2": "PENDING"}, Attach("a-2")),
    ],
)
def test_a_second_submit_attaches_to_what_goes_on_and_to_nothing_that_is_over(
    statuses: dict[str, str], decision: Attach | Start
) -> None:
    assert decide("a", statuses) == decision


def test_the_paths_that_every_node_needs_are_named_by_field() -> None:
    assert local_places(spec()) == {"input.uri[0]": "/jobs/documents"}
    local = spec(("org/small", "/models/small"), ("s3://bucket/results", "/shared/results"))
    assert local_places(local) == {
        "tiers[0].model": "/models/small",
        "input.uri[0]": "/jobs/documents",
        "output": "/shared/results",
        "checkpoint": "/shared/results-checkpoint",
    }


def test_what_is_shipped_is_the_same_job_and_the_code_that_runs_it(tmp_path: Path) -> None:
    fill_working_folder(tmp_path, spec(), ship_code=True)
    assert load_spec(tmp_path / "job.yaml", {}) == spec()
    assert (tmp_path / "jobs" / "__main__.py").is_file()
    assert (tmp_path / "checkpoints" / "keys.py").is_file()
    assert not list(tmp_path.rglob("*.safetensors"))
    assert not list(tmp_path.rglob("__pycache__"))


def test_without_code_only_the_job_is_shipped(tmp_path: Path) -> None:
    fill_working_folder(tmp_path, spec(), ship_code=False)
    assert [path.name for path in tmp_path.iterdir()] == ["job.yaml"]


class Scripted(JobServer):
    """A job server that answers from a list; an exception in it is raised."""

    def __init__(self, *answers: tuple[str, int | None, str] | CommandError) -> None:
        self._answers = list(answers)
        self._log = ""

    def look(self, submission_id: str) -> tuple[str, int | None, str]:
        answer = self._answers.pop(0)
        if isinstance(answer, CommandError):
            raise answer
        status, code, self._log = answer
        return status, code, f"exit code {code}, last available logs:\n{self._log}"

    def log(self, submission_id: str) -> str:
        return self._log


UNREACHABLE = CommandError("no answer", "wait", Exit.UNREACHABLE)


def test_following_writes_each_line_once_and_gives_the_drivers_exit_code() -> None:
    written: list[str] = []
    server = Scripted(
        ("RUNNING", None, "one\ntw"),
        UNREACHABLE,
        ("RUNNING", None, "one\ntwo\n"),
        ("FAILED", 6, "one\ntwo\nthree"),
    )
    end = follow(server, "a", written.append, sleep=lambda _: None, now_s=lambda: 0.0)
    assert written == ["one", "two", "three", "exit code 6"]
    assert end.exit_code is Exit.CHANGED_RUN


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        ("SUCCEEDED", 0, Exit.DONE),
        ("STOPPED", None, Exit.CANCELLED),
        ("FAILED", None, Exit.FAILED),
        ("FAILED", 137, Exit.FAILED),
    ],
)
def test_the_end_of_a_submission_is_an_exit_code(
    status: str, code: int | None, expected: Exit
) -> None:
    end = follow(Scripted((status, code, "")), "a", print, sleep=lambda _: None)
    assert end.exit_code is expected


def test_a_server_that_stays_silent_ends_the_following() -> None:
    times = iter([0.0, 10.0, 500.0])
    server = Scripted(UNREACHABLE, UNREACHABLE)
    with pytest.raises(CommandError, match="no answer"):
        follow(server, "a", print, sleep=lambda _: None, now_s=lambda: next(times))
