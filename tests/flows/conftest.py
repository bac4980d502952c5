"""One small Ray cluster with a job server for all flow tests that do not kill its nodes."""

from collections.abc import Iterator

import pytest

from infra.local_cluster import LocalCluster
from tests.flows.flow import ROOT, STARTED


@pytest.fixture(scope="session", autouse=True)
def environment() -> Iterator[None]:
    """What every Ray process of a test inherits."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ROOT))
        patch.setenv("HF_HUB_OFFLINE", "1")
        patch.delenv("VLLM_CPU_KVCACHE_SPACE", raising=False)  # as a user has it
        yield


@pytest.fixture(autouse=True)
def no_driver_stays() -> Iterator[None]:
    """End drivers that a failed test left behind."""
    yield
    while STARTED:
        driver = STARTED.pop()
        driver.kill()
        driver.wait()


@pytest.fixture(scope="session")
def cluster(environment: None) -> Iterator[LocalCluster]:
    with LocalCluster(head_cpus=4, dashboard=True) as running:
        yield running
