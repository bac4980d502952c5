"""This process as a Ray driver: on a private local Ray, or on the cluster at an address.

Boundary: connects and disconnects; what runs on Ray is the pipeline's matter.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager, nullcontext

from jobs.cli.errors import CommandError
from jobs.exit_codes import Exit

TOKEN_REMEDY = "set RAY_AUTH_MODE=token and RAY_AUTH_TOKEN_PATH to the cluster's token file"


def use_token_if_given(environment: MutableMapping[str, str]) -> None:
    """A token in the environment is meant to be used: Ray's clients ignore it unless told so."""
    if environment.get("RAY_AUTH_TOKEN") or environment.get("RAY_AUTH_TOKEN_PATH"):
        environment.setdefault("RAY_AUTH_MODE", "token")


@contextmanager
def ray_session(address: str | None, *, show_worker_logs: bool) -> Iterator[None]:
    """Be a driver of the Ray at `address` (None: a private one on this machine) while inside.

    Raises CommandError when there is no Ray there or it does not accept the token.
    """
    use_token_if_given(os.environ)
    if not show_worker_logs:
        # Ray's core writes warnings about its own workings to the driver's terminal.
        os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    import ray

    try:
        with nullcontext() if show_worker_logs else _no_stderr():
            ray.init(
                address=address or "local",
                # "auto" and addresses join a cluster; only a private Ray takes settings.
                include_dashboard=False if address is None else None,
                log_to_driver=show_worker_logs,
                logging_level=logging.INFO if show_worker_logs else logging.WARNING,
            )
    except ray.exceptions.AuthenticationError as error:
        raise CommandError(
            f"Ray at {address} does not accept this client's token", TOKEN_REMEDY, Exit.UNREACHABLE
        ) from error
    except (ConnectionError, RuntimeError, ValueError) as error:
        first_line = str(error).strip().split("\n", 1)[0]
        raise CommandError(
            f"no Ray at {address or 'this machine'}: {first_line}",
            "check the address and that the cluster runs",
            Exit.UNREACHABLE,
        ) from error
    if not show_worker_logs:
        _quieten()
    try:
        yield
    finally:
        ray.shutdown()


@contextmanager
def _no_stderr() -> Iterator[None]:
    """Drop what this process writes to stderr: Ray's core says there that it was told to be quiet.

    What goes wrong meanwhile comes as an exception.
    """
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _quieten() -> None:
    """Leave the terminal to the run's own progress; Ray's logs stay in its session folder."""
    import ray.data
    import ray.serve  # noqa: F401 - both set up their loggers when imported

    for name in ("ray", "ray.data", "ray.serve"):
        logging.getLogger(name).setLevel(logging.ERROR)
