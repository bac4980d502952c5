"""Servers for the session; builders lie in checkpoint_builders.py."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "infra")]

from s3_servers import CREDENTIALS, make_bucket, ministack_server, moto_server  # noqa: E402 - found by the path above

BUCKET = "contract"


@pytest.fixture(scope="session")
def credentials() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            patch.delenv(name)
        for name, value in CREDENTIALS.items():
            patch.setenv(name, value)
        yield


@pytest.fixture(scope="session")
def ministack(tmp_path_factory: pytest.TempPathFactory, credentials: None) -> Iterator[str]:
    with ministack_server(tmp_path_factory.mktemp("ministack")) as endpoint:
        make_bucket(endpoint, BUCKET)
        yield endpoint


@pytest.fixture(scope="session")
def moto(credentials: None) -> Iterator[str]:
    with moto_server() as endpoint:
        make_bucket(endpoint, BUCKET)
        yield endpoint
