"""S3 servers for the session, a bucket or prefix for each test; properties without time limits."""

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests.infra.s3_servers import CREDENTIALS, make_bucket, ministack_server, moto_server

BUCKET = "contract"
# How long an example takes says something of the machine, not of the code.
settings.register_profile("steady", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("steady")


@pytest.fixture(scope="session")
def credentials() -> Iterator[None]:
    """Those of the servers, and nothing else that AWS clients would read."""
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
