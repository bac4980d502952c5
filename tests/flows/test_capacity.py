"""Where engines run and what happens while they cannot, on a real Ray of labelled nodes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from infra.local_cluster import LocalCluster, LocalNode
from pipeline.progress import State
from tests.flows.counting import REFUSAL
from tests.flows.flow import Flow, finish, kill_all, processes_named, wait_until, write_flow
from tests.flows.nodes import SOON_S, drain, has_left

pytestmark = pytest.mark.flow

COUNT = 600
DELAY_S = "1"  # per half of a chunk
NO_POISON = "-1"
START_S = "15"  # until an engine is ready
OUTAGE_S = 40.0
SPOT = {"ray.io/market-type": "spot"}
ON_DEMAND = {"ray.io/market-type": "on-demand"}
SPOT_FIRST = [{"market": "spot"}, {"market": "on-demand"}]


@pytest.fixture
def labelled() -> Iterator[LocalCluster]:
    """A head without labels, for coordinators; tests add nodes."""
    with LocalCluster(head_cpus=2) as cluster:
        yield cluster


def placed(folder: Path, *, count: int = COUNT, **tier: object) -> Flow:
    """A job whose tier has these fields too."""
    flow = write_flow(folder, count=count)
    job = yaml.safe_load(flow.job_file.read_text())
    job["tiers"][0] |= tier
    flow.job_file.write_text(yaml.safe_dump(job))
    return flow


def engines_on(node: LocalNode) -> int:
    return len(processes_named([node], "ServeReplica"))


def starts(flow: Flow) -> int:
    """Engines that began to start."""
    return len(list(flow.counts.glob("*.log")))


def is_in(flow: Flow, state: State) -> bool:
    saved = flow.status()
    return saved is not None and saved.snapshot.state is state


def message(flow: Flow) -> str:
    saved = flow.status()
    return "" if saved is None else str(saved.snapshot.message)


def elapsed_s(flow: Flow) -> float:
    saved = flow.status()
    return 0.0 if saved is None else saved.snapshot.elapsed_s


def cost_usd(flow: Flow) -> float:
    saved = flow.status()
    assert saved is not None
    return saved.snapshot.cost_usd


def assert_complete(flow: Flow, code: int, final: dict[str, object], count: int = COUNT) -> None:
    assert (code, final["state"], final["documents_error"]) == (0, "completed", 0)
    verdict = flow.verdict()
    assert verdict.proven, verdict
    assert verdict.documents == count


def test_a_run_without_any_engine_node_waits_and_completes_once_there_is_one(
    labelled: LocalCluster, tmp_path: Path
) -> None:
    flow = placed(tmp_path, count=100, nodes=SPOT_FIRST)
    driver = flow.start_driver(labelled, "0.1")
    wait_until(lambda: is_in(flow, State.WAITING_FOR_CAPACITY), "it waits for capacity", SOON_S)
    began_s = elapsed_s(flow)
    wait_until(lambda: elapsed_s(flow) > began_s + OUTAGE_S, "time passed", SOON_S)
    saved = flow.status()
    assert saved is not None
    assert saved.snapshot.state is State.WAITING_FOR_CAPACITY
    assert "(spot: no such nodes) or (on-demand: no such nodes)" in str(saved.snapshot.message)
    assert saved.snapshot.cost_usd == 0
    labelled.add_node(num_cpus=1, labels=ON_DEMAND)
    code, final = finish(driver)
    assert_complete(flow, code, final, 100)
    assert not flow.served_twice()


def test_when_every_engine_node_dies_the_run_waits_and_goes_on_with_new_ones(
    labelled: LocalCluster, tmp_path: Path
) -> None:
    doomed = [labelled.add_node(num_cpus=1, labels=SPOT) for _ in range(2)]
    flow = placed(tmp_path, nodes=SPOT_FIRST, replicas={"max": 2})
    driver = flow.start_driver(labelled, DELAY_S)
    wait_until(lambda: flow.finished() >= COUNT // 4, "a quarter was done", SOON_S)
    for node in doomed:
        node.kill()
    wait_until(lambda: is_in(flow, State.WAITING_FOR_CAPACITY), "it waits for capacity", SOON_S)
    began_s, spent_usd, done = elapsed_s(flow), cost_usd(flow), flow.finished()
    wait_until(lambda: elapsed_s(flow) > began_s + OUTAGE_S, "time passed", SOON_S)
    assert is_in(flow, State.WAITING_FOR_CAPACITY)
    assert (cost_usd(flow), flow.finished()) == (spent_usd, done)
    labelled.add_node(num_cpus=1, labels=SPOT)
    code, final = finish(driver)
    assert_complete(flow, code, final)


@pytest.mark.parametrize("has_notice", [False, True])
def test_a_lost_engine_is_waited_for_where_there_is_less_room_than_replicas_asked_for(
    labelled: LocalCluster, tmp_path: Path, has_notice: bool
) -> None:
    """Serve calls an application failed whose engine goes before it had all of them."""
    only = labelled.add_node(num_cpus=1, labels=SPOT | {"test": "only"})
    flow = placed(tmp_path, nodes=SPOT_FIRST, replicas={"max": 2})
    driver = flow.start_driver(labelled, "4")
    wait_until(lambda: flow.finished() >= COUNT // 10, "a tenth was done", SOON_S)
    if has_notice:
        drain(labelled, "only", "10")
        wait_until(lambda: has_left(only), "the node left Ray by itself", SOON_S)
    else:
        only.kill()
    wait_until(lambda: is_in(flow, State.WAITING_FOR_CAPACITY), "it waits for capacity", SOON_S)
    labelled.add_node(num_cpus=1, labels=SPOT)
    code, final = finish(driver)
    assert_complete(flow, code, final)


def test_nodes_that_die_while_an_engine_starts_do_not_end_the_run(
    labelled: LocalCluster, tmp_path: Path
) -> None:
    flow = placed(tmp_path, count=100, nodes=[{"market": "spot"}])
    driver = flow.start_driver(labelled, "0.1", NO_POISON, START_S)
    for begun in (1, 2, 3):  # Serve gives up on a replica after three failures
        node = labelled.add_node(num_cpus=1, labels=SPOT)
        wait_until(lambda n=begun: starts(flow) >= n, "an engine starts", SOON_S)  # type: ignore[misc]
        assert driver.poll() is None
        node.kill()
    labelled.add_node(num_cpus=1, labels=SPOT)
    code, final = finish(driver)
    assert_complete(flow, code, final, 100)


def test_engines_that_no_longer_start_end_the_run_with_their_reason(
    labelled: LocalCluster, tmp_path: Path
) -> None:
    node = labelled.add_node(num_cpus=1, labels=SPOT)
    flow = placed(tmp_path, nodes=SPOT_FIRST)
    driver = flow.start_driver(labelled, DELAY_S, NO_POISON, "3")
    wait_until(lambda: flow.finished() >= 50, "the engine worked", SOON_S)
    (flow.counts / REFUSAL).write_text("no memory")
    kill_all([node], "ServeReplica")
    wait_until(
        lambda: is_in(flow, State.WAITING_FOR_ENGINES) and "no memory" in message(flow),
        "it says why no engine starts",
        SOON_S,
    )
    assert driver.wait(SOON_S) != 0
    assert is_in(flow, State.FAILED)
    assert "no memory" in message(flow)


def test_the_floor_goes_on_alone_when_all_spot_nodes_go_at_once(
    labelled: LocalCluster, tmp_path: Path
) -> None:
    stable = labelled.add_node(num_cpus=1, labels=ON_DEMAND)
    spot = [labelled.add_node(num_cpus=2, labels=SPOT) for _ in range(2)]
    flow = placed(tmp_path, nodes=SPOT_FIRST, num_cpus=0.9, replicas={"max": 5, "on_demand": 1})
    driver = flow.start_driver(labelled, "4")
    wait_until(lambda: [engines_on(node) for node in spot] == [2, 2], "spot is full", SOON_S)
    assert engines_on(stable) == 1
    assert not processes_named(spot, "MapWorker"), "coordinators prefer nodes that stay"
    wait_until(lambda: flow.finished() >= COUNT // 10, "a tenth was done", SOON_S)
    wait_until(lambda: starts(flow) == 5, "all have work", SOON_S)
    for node in spot:
        node.kill()
    done = flow.finished()
    wait_until(lambda: flow.finished() > done + 100, "work goes on", SOON_S)
    assert is_in(flow, State.IN_PROGRESS)
    code, final = finish(driver)
    assert_complete(flow, code, final)


def test_a_floor_that_has_no_node_holds_no_work_back(
    labelled: LocalCluster, tmp_path: Path
) -> None:
    labelled.add_node(num_cpus=1, labels=SPOT)
    flow = placed(tmp_path, count=100, nodes=SPOT_FIRST, replicas={"max": 2, "on_demand": 1})
    code, final = finish(flow.start_driver(labelled, "0.1"))
    assert_complete(flow, code, final, 100)
    assert not flow.served_twice()


def test_what_finds_no_room_in_the_first_group_goes_to_the_second(
    labelled: LocalCluster, tmp_path: Path
) -> None:
    first, second = (labelled.add_node(num_cpus=1, labels=labels) for labels in (SPOT, ON_DEMAND))
    flow = placed(tmp_path, nodes=SPOT_FIRST, replicas={"max": 2})
    driver = flow.start_driver(labelled, DELAY_S)
    wait_until(lambda: engines_on(second) == 1, "the second group is used", SOON_S)
    assert engines_on(first) == 1
    driver.terminate()
    driver.wait(60)


def test_a_cluster_of_spot_nodes_only_has_its_coordinators_there(tmp_path: Path) -> None:
    with LocalCluster(head_cpus=0) as cluster:
        cluster.add_node(num_cpus=3, labels=SPOT)
        flow = placed(tmp_path, count=60)
        code, final = finish(flow.start_driver(cluster, "0.1"))
    assert_complete(flow, code, final, 60)
