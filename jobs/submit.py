"""A job sent to a Ray cluster through Ray's job server, and its log followed.

Boundary: the only file that speaks to the job server. Nothing secret is printed or stored: the
token stays in the environment variables that Ray itself reads.
"""

from __future__ import annotations

import importlib.util
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tenacity

from jobs.cli.errors import CommandError
from jobs.exit_codes import Exit
from jobs.ray_session import TOKEN_REMEDY, use_token_if_given
from jobs.spec.job import JobSpec
from jobs.spec.yaml import write_yaml
from jobs.submission import Attach, decide, submission_id

ENTRYPOINT = "python -m jobs run job.yaml --address auto"
PACKAGES = ("pipeline", "checkpoints", "infra", "jobs")
POLL_S = 1.0
PATIENCE_S = 120.0  # without an answer: longer than a head node's restart
_ADDRESS_VARIABLES = ("RAY_API_SERVER_ADDRESS", "RAY_ADDRESS")
_CHATTY_LOGGERS = (
    "ray.dashboard.modules.dashboard_sdk",
    "ray._private.runtime_env.packaging",
)
_LOG_AGAIN = ", last available logs"  # Ray's message ends with the log that was shown already
_FINAL = frozenset({"SUCCEEDED", "FAILED", "STOPPED"})

YOUNG_CLUSTER = tenacity.Retrying(  # its job server answers before the agents that start jobs
    retry=tenacity.retry_if_exception_message(match=r"(?s).*No available agent"),
    stop=tenacity.stop_after_delay(60),
    wait=tenacity.wait_fixed(1),
    reraise=True,
)


@dataclass(frozen=True, slots=True)
class Submitted:
    """A submission that is on the cluster."""

    submission_id: str
    is_attached: bool  # it was there before


@dataclass(frozen=True, slots=True)
class End:
    """How a submission ended."""

    status: str
    exit_code: Exit


class JobServer:
    """Ray's job server at one address."""

    def __init__(self, address: str | None) -> None:
        use_token_if_given(os.environ)
        from ray.job_submission import JobSubmissionClient

        for name in _CHATTY_LOGGERS:
            logging.getLogger(name).setLevel(logging.WARNING)
        self.address = address or next(
            (os.environ[name] for name in _ADDRESS_VARIABLES if os.environ.get(name)), "auto"
        )
        with self._plain_errors(), _explicit(address):
            self._client: Any = JobSubmissionClient(self.address)

    def statuses(self) -> dict[str, str]:
        """The status of every submission by its id."""
        with self._plain_errors():
            return {
                job.submission_id: str(job.status.value)
                for job in self._client.list_jobs()
                if job.submission_id
            }

    def start(self, submission_id: str, folder: Path, variables: Mapping[str, str]) -> None:
        """Start the job file in `folder` under this id; RuntimeError when the id is taken."""
        runtime_env = {"working_dir": str(folder), "env_vars": dict(variables)}
        with self._plain_errors():
            YOUNG_CLUSTER.copy()(
                self._client.submit_job,
                entrypoint=ENTRYPOINT,
                submission_id=submission_id,
                runtime_env=runtime_env,
            )

    def look(self, submission_id: str) -> tuple[str, int | None, str]:
        """(status, exit code of the driver if it ended, message) of a submission."""
        with self._plain_errors(), _known(submission_id):
            details = self._client.get_job_info(submission_id)
        return str(details.status.value), details.driver_exit_code, details.message or ""

    def log(self, submission_id: str) -> str:
        """The whole log so far."""
        with self._plain_errors(), _known(submission_id):
            return str(self._client.get_job_logs(submission_id))

    @contextmanager
    def _plain_errors(self) -> Iterator[None]:
        """requests' and Ray's errors as one line that a person can act on."""
        import requests
        from ray.exceptions import AuthenticationError

        try:
            yield
        except AuthenticationError as error:
            is_missing = "required" in str(error)
            wrong = "asks for a token" if is_missing else "does not accept this token"
            raise CommandError(
                f"the job server at {self.address} {wrong}", TOKEN_REMEDY, Exit.UNREACHABLE
            ) from error
        except (ConnectionError, requests.exceptions.RequestException) as error:
            raise CommandError(
                f"no job server answers at {self.address}",
                "check the address (http://HEAD:8265) and that the cluster runs",
                Exit.UNREACHABLE,
            ) from error


def submit_or_attach(
    server: JobServer, spec: JobSpec, *, ship_code: bool, forward: tuple[str, ...] = ()
) -> Submitted:
    """Start the job unless a submission of it goes on; that one is attached to then.

    `forward` names environment variables that the job gets; raises CommandError if one is not set.
    """
    base_id = submission_id(spec)
    variables = _forwarded(forward, os.environ)
    decision = decide(base_id, server.statuses())
    if isinstance(decision, Attach):
        return Submitted(decision.submission_id, is_attached=True)
    with tempfile.TemporaryDirectory(prefix="gleaner-submit-") as folder:
        fill_working_folder(Path(folder), spec, ship_code=ship_code)
        try:
            server.start(decision.submission_id, Path(folder), variables)
        except RuntimeError as error:
            # Somebody submitted the same job between our look and our start.
            if decision.submission_id in server.statuses():
                return Submitted(decision.submission_id, is_attached=True)
            first_line = str(error).strip().split("\n", 1)[0]
            raise CommandError(
                f"the job server refused the job: {first_line}",
                "see the cluster's dashboard log",
                Exit.UNREACHABLE,
            ) from error
    return Submitted(decision.submission_id, is_attached=False)


def fill_working_folder(folder: Path, spec: JobSpec, *, ship_code: bool) -> None:
    """Put into `folder` what the cluster needs: the job, self-contained, and maybe our packages."""
    text = write_yaml(spec.model_dump(mode="json", exclude_none=True))
    (folder / "job.yaml").write_text(text, encoding="utf-8")
    if not ship_code:
        return
    unneeded = shutil.ignore_patterns("__pycache__", "*.pyc", "*.safetensors")
    for package in PACKAGES:
        found = importlib.util.find_spec(package)
        for place in (found.submodule_search_locations or ()) if found else ():
            shutil.copytree(place, folder / package, ignore=unneeded, dirs_exist_ok=True)


def follow(
    server: JobServer,
    submission_id: str,
    write: Callable[[str], None],
    *,
    sleep: Callable[[float], None] = time.sleep,
    now_s: Callable[[], float] = time.monotonic,
) -> End:
    """Write the submission's log as it grows, until it ends; rides out a restart of the head."""
    written, last_answer_s = 0, now_s()
    while True:
        try:
            status, driver_exit_code, message = server.look(submission_id)
            log = server.log(submission_id)
            last_answer_s = now_s()
        except CommandError:
            if now_s() - last_answer_s > PATIENCE_S:
                raise
            sleep(POLL_S)
            continue
        whole_lines = len(log) if status in _FINAL else log.rfind("\n") + 1
        if whole_lines > written:
            write(log[written:whole_lines].rstrip("\n"))
            written = whole_lines
        if status in _FINAL:
            if status == "FAILED" and message:
                write(message.split(_LOG_AGAIN, 1)[0])
            return End(status, _exit_of(status, driver_exit_code))
        sleep(POLL_S)


def _exit_of(status: str, driver_exit_code: int | None) -> Exit:
    if status == "SUCCEEDED":
        return Exit.DONE
    if status == "STOPPED":
        return Exit.CANCELLED
    known = driver_exit_code in {int(code) for code in Exit if code is not Exit.DONE}
    return Exit(driver_exit_code) if known and driver_exit_code is not None else Exit.FAILED


def _forwarded(names: tuple[str, ...], environment: Mapping[str, str]) -> dict[str, str]:
    missing = [name for name in names if name not in environment]
    if missing:
        raise CommandError(
            f"--env {', '.join(missing)}: not set here",
            "set it, or leave --env out",
            Exit.BAD_USAGE,
        )
    return {name: environment[name] for name in names}


@contextmanager
def _known(submission_id: str) -> Iterator[None]:
    """Ray answers with RuntimeError about a submission that it does not (or not yet) know."""
    try:
        yield
    except RuntimeError as error:
        raise CommandError(
            f"the job server does not know {submission_id}",
            "its head was replaced; submit the job again, it resumes",
            Exit.UNREACHABLE,
        ) from error


@contextmanager
def _explicit(address: str | None) -> Iterator[None]:
    """Let an address given on the command line win: Ray prefers its environment variables."""
    hidden = {name: os.environ.pop(name) for name in _ADDRESS_VARIABLES if name in os.environ}
    if address is None:
        os.environ.update(hidden)
        hidden = {}
    try:
        yield
    finally:
        os.environ.update(hidden)
