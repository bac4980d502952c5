"""Sources read real metadata services over HTTP, and files."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path

import pytest

from infra.spot.address import Place
from infra.spot.detect import Firmware, sources_of
from infra.spot.local_metadata import INSTANCE_ACTION, LIFECYCLE, LocalMetadata
from infra.spot.notices import Event, GarbledNoticeError, Notice, SilentSourceError
from infra.spot.settings import SpotSettings
from infra.spot.sources.aws import aws_sources
from infra.spot.sources.azure import azure_sources
from infra.spot.sources.gcp import gcp_sources
from infra.spot.sources.own import own_sources
from infra.spot.sources.source import Source
from tests.infra.cloud_servers import (
    AZURE_EVENTS,
    AZURE_NAME,
    GCP_INSTANCE,
    CloudServer,
    cloud_server,
)
from tests.infra.fault_proxy import Answer, LostRequest, fault_proxy
from tests.infra.s3_servers import free_port

NOW = 1_700_000_000.0
PLACE = Place(node_id="ab12", node_ip="10.0.0.7", hostname="worker")


@pytest.fixture
def metadata() -> Iterator[LocalMetadata]:
    with LocalMetadata() as running:
        yield running


@pytest.fixture
def google() -> Iterator[CloudServer]:
    with cloud_server(("Metadata-Flavor", "Google")) as running:
        running.shown = {
            GCP_INSTANCE + "preempted": "FALSE",
            GCP_INSTANCE + "maintenance-event": "NONE",
        }
        yield running


@pytest.fixture
def azure() -> Iterator[CloudServer]:
    with cloud_server(("Metadata", "true")) as running:
        running.shown = {AZURE_EVENTS: '{"Events": []}', AZURE_NAME: "pool_3\n"}
        yield running


def announced(sources: tuple[Source, ...], now: float = NOW) -> list[Notice]:
    return [notice for source in sources for notice in source.read(now)]


def test_aws_announces_nothing_then_everything(metadata: LocalMetadata) -> None:
    sources = aws_sources(metadata.endpoint("a") + "/")
    now = time.time()
    assert announced(sources, now) == []
    metadata.interrupt("a", 1_800_000_000, "stop")
    metadata.recommend_rebalance("a")
    metadata.show("a", LIFECYCLE, "Terminated")
    assert announced(sources, now) == [
        Notice(Event.INTERRUPTION, "stop", 1_800_000_000),
        Notice(Event.REBALANCE, "rebalance", None),
        Notice(Event.INTERRUPTION, "Terminated", now + 30, is_deadline_assumed=True),
    ]
    metadata.clear("a")
    assert announced(sources, now) == []


def test_aws_gets_a_new_token_when_the_old_one_expires(metadata: LocalMetadata) -> None:
    with fault_proxy(metadata.endpoint("a")) as proxy:
        sources = aws_sources(proxy.endpoint + "/a")
        announced(sources)
        announced(sources)
        assert proxy.count("PUT") == 1
        metadata.expire_tokens()
        metadata.interrupt("a", NOW)
        assert announced(sources)
        assert proxy.count("PUT") == 2


def test_an_aws_that_takes_no_token_is_asked_twice_and_told(metadata: LocalMetadata) -> None:
    with fault_proxy(metadata.endpoint("a")) as proxy:
        action = aws_sources(proxy.endpoint + "/a")[0]
        proxy.plan("GET", Answer(401, "no"), Answer(401, "no"))
        with pytest.raises(SilentSourceError, match="answered 401"):
            action.read(NOW)
        assert action.read(NOW) == []


def test_an_aws_without_tokens_is_told(metadata: LocalMetadata) -> None:
    with fault_proxy(metadata.endpoint("a")) as proxy:
        proxy.plan("PUT", Answer(403, "no"))
        with pytest.raises(SilentSourceError, match="answered 403"):
            aws_sources(proxy.endpoint + "/a")[0].read(NOW)


def test_a_connection_that_breaks_is_told_and_the_next_read_is_whole(
    metadata: LocalMetadata,
) -> None:
    metadata.interrupt("a", NOW)
    with fault_proxy(metadata.endpoint("a")) as proxy:
        action = aws_sources(proxy.endpoint + "/a")[0]
        proxy.plan("PUT", LostRequest())
        with pytest.raises(SilentSourceError, match="cannot be reached"):
            action.read(NOW)
        assert len(action.read(NOW)) == 1


def test_an_aws_body_that_is_garbage_is_told(metadata: LocalMetadata) -> None:
    metadata.show("a", INSTANCE_ACTION, "<html>")
    with pytest.raises(GarbledNoticeError, match="instance-action"):
        aws_sources(metadata.endpoint("a"))[0].read(NOW)


def test_a_service_that_is_not_there_is_told_at_once() -> None:
    for source in aws_sources(f"http://127.0.0.1:{free_port()}"):
        with pytest.raises(SilentSourceError, match="cannot be reached"):
            source.read(NOW)


def test_proxies_of_the_environment_are_not_asked(
    metadata: LocalMetadata, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    assert announced(aws_sources(metadata.endpoint("a"))) == []


def test_google_announces_nothing_then_everything(google: CloudServer) -> None:
    sources = gcp_sources(120, google.host)
    assert announced(sources) == []
    google.shown = {
        GCP_INSTANCE + "preempted": "TRUE",
        GCP_INSTANCE + "maintenance-event": "TERMINATE_ON_HOST_MAINTENANCE",
    }
    assert [(one.kind, one.deadline_unix_s) for one in announced(sources)] == [
        ("preempted", NOW + 120),
        ("TERMINATE_ON_HOST_MAINTENANCE", NOW + 60),
    ]


def test_a_google_value_that_is_missing_is_told_and_the_other_read(google: CloudServer) -> None:
    del google.shown[GCP_INSTANCE + "maintenance-event"]
    preempted, maintenance = gcp_sources(30, google.host)
    assert preempted.read(NOW) == []
    with pytest.raises(SilentSourceError, match="is not there"):
        maintenance.read(NOW)


def test_azure_reads_its_own_events_asks_its_name_once_and_acknowledges(
    azure: CloudServer,
) -> None:
    [source] = azure_sources(azure.endpoint)
    assert source.read(time.time()) == []
    azure.shown[AZURE_EVENTS] = json.dumps(
        {
            "Events": [
                {"EventId": name, "EventType": "Preempt", "Resources": [machine], "NotBefore": at}
                for name, machine, at in (
                    ("e1", "pool_2", "Fri, 15 Jan 2027 08:00:00 GMT"),
                    ("e2", "Pool_3", "Fri, 15 Jan 2027 08:00:00 GMT"),
                )
            ]
        }
    )
    [notice] = source.read(time.time())
    assert notice == Notice(Event.INTERRUPTION, "Preempt", 1_800_000_000, "e2")
    assert azure.asked.count(AZURE_NAME) == 1
    source.acknowledge(notice)
    assert azure.posted == [{"StartRequests": [{"EventId": "e2"}]}]
    azure.status = 500
    with pytest.raises(SilentSourceError, match="answered 500"):
        source.acknowledge(notice)
    with pytest.raises(SilentSourceError, match="answered 500"):
        source.read(NOW)


def test_deadlines_of_clouds_are_by_the_nodes_clock(
    metadata: LocalMetadata, azure: CloudServer
) -> None:
    metadata.interrupt("a", 1_800_000_000)
    slow_by_s = 600
    [action] = announced(aws_sources(metadata.endpoint("a")), time.time() - slow_by_s)
    assert action.deadline_unix_s == pytest.approx(1_800_000_000 - slow_by_s, abs=3)
    azure.date = formatdate(NOW + slow_by_s, usegmt=True)
    azure.shown[AZURE_EVENTS] = json.dumps(
        {
            "Events": [
                {
                    "EventId": "e1",
                    "EventType": "Preempt",
                    "Resources": ["pool_3"],
                    "NotBefore": formatdate(NOW + slow_by_s + 30, usegmt=True),
                }
            ]
        }
    )
    [event] = announced(azure_sources(azure.endpoint), NOW)
    assert event.deadline_unix_s == NOW + 30


def test_the_service_that_a_variable_names_is_asked(
    metadata: LocalMetadata, google: CloudServer
) -> None:
    metadata.recommend_rebalance("a")
    google.shown[GCP_INSTANCE + "preempted"] = "TRUE"
    for name, value, kind in (
        ("AWS_EC2_METADATA_SERVICE_ENDPOINT", metadata.endpoint("a"), "rebalance"),
        ("GCE_METADATA_HOST", google.host, "preempted"),
    ):
        sources = sources_of(SpotSettings(), PLACE, {name: value}, Firmware())
        assert [notice.kind for notice in announced(sources)] == [kind]


def test_an_azure_that_does_not_say_whose_events_they_are_is_told(azure: CloudServer) -> None:
    del azure.shown[AZURE_NAME]
    [source] = azure_sources(azure.endpoint)
    with pytest.raises(SilentSourceError, match="name"):
        source.read(NOW)


@pytest.mark.parametrize("ahead_s", [-600, 600])
def test_a_deadline_is_by_the_nodes_clock_where_the_services_is_another(ahead_s: int) -> None:
    with cloud_server() as cloud:
        cloud.date = formatdate(NOW + ahead_s, usegmt=True)
        cloud.shown["/n"] = json.dumps(
            [
                {"event": "interruption", "deadline_unix_s": NOW + ahead_s + 120},
                {"event": "interruption", "id": "untimed"},
            ]
        )
        found = announced(own_sources(cloud.endpoint + "/n", PLACE))
    assert [one.deadline_unix_s for one in found] == [NOW + 120, NOW + 30]


@pytest.mark.parametrize("date", [formatdate(NOW + 1, usegmt=True), "today"])
def test_a_date_that_is_about_right_or_none_moves_nothing(date: str) -> None:
    with cloud_server() as cloud:
        cloud.date = date
        cloud.shown["/n"] = f'[{{"event": "interruption", "deadline_unix_s": {NOW + 120}}}]'
        [found] = announced(own_sources(cloud.endpoint + "/n", PLACE))
    assert found.deadline_unix_s == NOW + 120


def test_an_address_names_the_node_and_404_is_nothing() -> None:
    with cloud_server() as cloud:
        [source] = own_sources(cloud.endpoint + "/{hostname}/{node_id}/{node_ip}", PLACE)
        assert source.read(NOW) == []
        assert cloud.asked == ["/worker/ab12/10.0.0.7"]


def test_a_file_is_read_when_it_is_there(tmp_path: Path) -> None:
    [source] = own_sources(f"file://{tmp_path}/{{node_id}}.json", PLACE)
    file = tmp_path / "ab12.json"
    assert source.read(NOW) == []
    file.write_text("")
    assert source.read(NOW) == []
    file.write_text('[{"event": "rebalance"}]')
    assert source.read(NOW) == [Notice(Event.REBALANCE, "rebalance", None)]
    file.write_text("now!")
    with pytest.raises(GarbledNoticeError):
        source.read(NOW)
    file.unlink()
    file.mkdir()
    with pytest.raises(SilentSourceError):
        source.read(NOW)
