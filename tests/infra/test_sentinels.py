"""Which nodes the driver watches, and what it survives; flows show the actors."""

from __future__ import annotations

from dataclasses import replace

import pytest
import ray

from infra.spot import sentinels
from infra.spot.node_report import NodeReport
from infra.spot.ray_nodes import LiveNode, Occupancy
from infra.spot.sentinels import IDLE_S, RayNode, Sentinels, Watch, last_worked
from infra.spot.settings import SpotSettings

NODE = LiveNode("ab12", "10.0.0.7", "worker", is_head=False)


class Ray:
    """A Ray of one node that works, whose calls fail in turn with `errors` before they succeed."""

    def __init__(self, *errors: Exception) -> None:
        self.watched = Sentinels(SpotSettings())
        self._errors = list(errors)
        self.looks = 0

    def live_nodes(self) -> list[LiveNode]:
        self.looks += 1
        if self._errors:
            raise self._errors.pop(0)
        return [NODE]

    def start(self, node: LiveNode, settings: SpotSettings) -> Watch:
        self.watched.end()
        return Watch(actor=None, watching=None, asking=None)


def run(monkeypatch: pytest.MonkeyPatch, fake: Ray) -> None:
    monkeypatch.setattr(sentinels, "LOOK_S", 0.0)
    monkeypatch.setattr(sentinels, "live_nodes", fake.live_nodes)
    monkeypatch.setattr(sentinels, "draining", dict)
    monkeypatch.setattr(sentinels, "occupancy", lambda: Occupancy(1, frozenset()))
    monkeypatch.setattr(sentinels, "start", fake.start)
    fake.watched.run()


def test_a_node_counts_as_at_work_until_it_was_idle_for_a_while() -> None:
    worked_s = last_worked({}, {"a", "b"}, 100.0)
    assert worked_s == {"a": 100.0, "b": 100.0}
    worked_s = last_worked(worked_s, {"b"}, 100.0 + IDLE_S - 1)
    assert worked_s == {"a": 100.0, "b": 100.0 + IDLE_S - 1}
    assert last_worked(worked_s, set(), 100.0 + IDLE_S).keys() == {"b"}


def test_a_node_that_works_again_is_at_work_again() -> None:
    assert last_worked({"a": 100.0}, {"a"}, 100.0 + IDLE_S) == {"a": 100.0 + IDLE_S}


def test_a_node_is_watched_although_ray_failed_before(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = Ray(
        ConnectionError("away"),
        ray.exceptions.RaySystemError("not started"),
        ValueError("not found"),
    )
    run(monkeypatch, fake)
    assert fake.looks == 4


def test_a_fault_of_our_own_is_not_taken_for_one_of_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(KeyError):
        run(monkeypatch, Ray(KeyError("NodeID")))


@pytest.mark.parametrize(
    ("error", "passes"),
    [(ray.exceptions.RaySystemError("not started"), False), (AttributeError("kill"), True)],
)
def test_an_actor_that_ray_cannot_end_is_told_and_other_faults_pass(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    error: Exception,
    passes: bool,
) -> None:
    def kill(actor: object) -> None:
        raise error

    fake = Ray()
    run(monkeypatch, fake)
    monkeypatch.setattr(ray, "kill", kill)
    if passes:
        with pytest.raises(type(error)):
            fake.watched.stop_all()
        return
    fake.watched.stop_all()
    assert "cannot end the sentinel of node ab12" in caplog.text


def test_a_node_knows_its_clusters_size_from_what_it_asked_anyway(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    node = RayNode("ab12")
    assert node.cluster_nodes() == 1
    monkeypatch.setattr(sentinels, "drain", lambda *_: 700)
    node.drain(None, "why")
    assert node.cluster_nodes() == 700
    monkeypatch.setattr(sentinels, "occupancy", lambda: Occupancy(600, frozenset({"ab12"})))
    assert node.is_empty()
    assert node.cluster_nodes() == 600


def test_the_last_trouble_stays_known_when_it_is_over() -> None:
    watched = Sentinels(SpotSettings())
    deaf = NodeReport(is_head=False, sources=("aws x",), noticed=(), troubles=("aws x: silent",))
    watched._worked_s = {"ab12": 1.0}
    watched._reports = {"ab12": deaf}
    assert (watched.overview().nodes_in_trouble, watched.overview().trouble) == (1, "aws x: silent")
    watched._reports = {"ab12": replace(deaf, troubles=())}
    assert (watched.overview().nodes_in_trouble, watched.overview().trouble) == (0, "aws x: silent")
