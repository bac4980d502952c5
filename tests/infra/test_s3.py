"""S3Store against a real server, with a proxy between them that breaks things on order."""

import os
import pickle
import threading
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from infra.s3 import S3Store
from tests.infra.fault_proxy import (
    Answer,
    CutBody,
    FaultProxy,
    FlippedByte,
    LateResponse,
    LostRequest,
    LostResponse,
    fault_proxy,
)
from tests.infra.s3_servers import make_bucket

pytestmark = pytest.mark.usefixtures("credentials")


@pytest.fixture(scope="module")
def bucket(ministack: str) -> str:
    name = f"faults-{uuid.uuid4().hex[:8]}"
    make_bucket(ministack, name)
    return name


@pytest.fixture(scope="module")
def shared_proxy(ministack: str) -> Iterator[FaultProxy]:
    with fault_proxy(ministack) as made:
        yield made


@pytest.fixture
def proxy(shared_proxy: FaultProxy) -> FaultProxy:
    shared_proxy.reset()
    return shared_proxy


def store_behind(proxy: FaultProxy, bucket: str, *, patience_s: float = 20.0) -> S3Store:
    prefix = f"runs/{uuid.uuid4().hex}"
    store = S3Store(
        bucket, prefix, endpoint_url=proxy.endpoint, patience_s=patience_s, read_timeout_s=0.5
    )
    # Making a client costs more than a test: all stores behind this proxy share one.
    store._made = CLIENTS.get(proxy.endpoint)
    CLIENTS[proxy.endpoint] = (os.getpid(), store._client())
    return store


CLIENTS: dict[str, tuple[int, Any]] = {}


def test_a_create_whose_response_was_lost_is_retried_and_answered_by_exists(
    proxy: FaultProxy, bucket: str
) -> None:
    store = store_behind(proxy, bucket)
    proxy.plan("PUT", LostResponse())
    with pytest.raises(FileExistsError):
        store.create("a", b"mine")
    assert store.read("a") == b"mine"
    assert proxy.count("PUT") == 2


def test_a_create_whose_request_was_lost_lands_at_the_second_try(
    proxy: FaultProxy, bucket: str
) -> None:
    store = store_behind(proxy, bucket)
    proxy.plan("PUT", LostRequest())
    store.create("a", b"mine")
    assert store.read("a") == b"mine"


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (409, "ConditionalRequestConflict"),
        (500, "InternalError"),
        (503, "SlowDown"),
        (503, "ServiceUnavailable"),
        (400, "RequestTimeout"),
        (429, "TooManyRequests"),
    ],
)
def test_a_passing_refusal_is_tried_again(
    proxy: FaultProxy, bucket: str, status: int, code: str
) -> None:
    store = store_behind(proxy, bucket)
    for method in ("PUT", "GET", "POST"):
        proxy.plan(method, Answer(status, code), Answer(status, code))
    store.create("a", b"mine")
    assert store.read("a") == b"mine"
    store.delete(["a"])
    assert list(store.list("")) == []


def test_a_response_that_comes_too_late_counts_as_lost(proxy: FaultProxy, bucket: str) -> None:
    store = store_behind(proxy, bucket)
    proxy.plan("PUT", LateResponse(1.0))
    with pytest.raises(FileExistsError):
        store.create("a", b"mine")
    assert store.read("a") == b"mine"


def test_an_endpoint_that_is_down_for_a_while_fails_nothing(proxy: FaultProxy, bucket: str) -> None:
    store = store_behind(proxy, bucket)
    proxy.down = True
    timer = threading.Timer(1.5, lambda: setattr(proxy, "down", False))
    timer.start()
    store.create("a", b"mine")
    timer.join()
    assert store.read("a") == b"mine"
    assert proxy.count("PUT") > 3


def test_patience_ends_with_a_connection_error_that_names_the_object(
    proxy: FaultProxy, bucket: str
) -> None:
    store = store_behind(proxy, bucket, patience_s=0.3)
    proxy.down = True
    with pytest.raises(ConnectionError, match=rf"create s3://{bucket}/runs/\w+/a"):
        store.create("a", b"mine")


def test_patience_ends_with_a_timeout_error_when_answers_are_late(
    proxy: FaultProxy, bucket: str
) -> None:
    store = store_behind(proxy, bucket, patience_s=0.1)
    proxy.plan("PUT", LateResponse(1.0))
    with pytest.raises(TimeoutError, match="create s3://"):
        store.create("a", b"mine")
    assert store.read("a") == b"mine", "a timed-out write may have landed, and here it has"


@pytest.mark.parametrize("fault", [CutBody(0), CutBody(700), FlippedByte()])
def test_a_damaged_read_is_noticed_and_repeated(
    proxy: FaultProxy, bucket: str, fault: CutBody | FlippedByte
) -> None:
    store = store_behind(proxy, bucket)
    store.create("a", bytes(range(250)) * 4)
    proxy.plan("GET", fault)
    assert store.read("a") == bytes(range(250)) * 4
    assert proxy.count("GET") == 2


def test_a_cut_tail_is_noticed_and_repeated(proxy: FaultProxy, bucket: str) -> None:
    store = store_behind(proxy, bucket)
    store.create("a", b"0123456789")
    proxy.plan("GET", CutBody(2))
    assert store.read_tail("a", 4) == b"6789"


def test_a_listing_that_fails_between_pages_goes_on_where_it_was(
    proxy: FaultProxy, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = store_behind(proxy, bucket)
    for number in range(7):
        store.create(f"n/{number}", b"x")
    small_pages(store, monkeypatch)
    proxy.plan("GET", Answer(503, "SlowDown"))
    listing = store.list("n/")
    assert next(listing).key == "n/0"
    asked = proxy.count("GET")
    assert asked == 2, "only the first page was asked for (and refused once)"
    proxy.plan("GET", CutBody(20), LostResponse())
    assert [info.key for info in listing] == [f"n/{number}" for number in range(1, 7)]


def small_pages(store: S3Store, monkeypatch: pytest.MonkeyPatch) -> None:
    client = store._client()
    whole = client.list_objects_v2
    monkeypatch.setattr(client, "list_objects_v2", lambda **wanted: whole(**wanted, MaxKeys=3))


@pytest.mark.parametrize(
    ("status", "code", "way_out"),
    [
        (403, "AccessDenied", "s3:PutObject"),
        (403, "SignatureDoesNotMatch", "AWS_SECRET_ACCESS_KEY"),
        (403, "InvalidAccessKeyId", "AWS_ACCESS_KEY_ID"),
        (400, "ExpiredToken", "renew"),
        (403, "RequestTimeTooSkewed", "clock"),
    ],
)
def test_a_refused_identity_is_a_permission_error_with_the_way_out(
    proxy: FaultProxy, bucket: str, status: int, code: str, way_out: str
) -> None:
    store = store_behind(proxy, bucket)
    proxy.plan("PUT", Answer(status, code))
    with pytest.raises(PermissionError, match=rf"create s3://{bucket}/.*{code}.*{way_out}"):
        store.create("a", b"mine")
    assert proxy.count("PUT") == 1


def test_a_missing_bucket_is_named(ministack: str) -> None:
    store = S3Store("no-such-bucket", "x", endpoint_url=ministack, patience_s=2)
    for act in (
        lambda: store.read("a"),
        lambda: store.create("a", b""),
        lambda: list(store.list("")),
    ):
        with pytest.raises(FileNotFoundError, match="bucket no-such-bucket does not exist"):
            act()


def test_no_credentials_at_all_is_a_permission_error(
    ministack: str, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    store = S3Store(bucket, endpoint_url=ministack)
    with pytest.raises(PermissionError, match="credentials"):
        store.read("a")


def test_a_server_without_conditional_writes_says_so(proxy: FaultProxy, bucket: str) -> None:
    store = store_behind(proxy, bucket)
    proxy.plan("PUT", Answer(501, "NotImplemented"))
    with pytest.raises(OSError, match="does not support") as caught:
        store.create("a", b"mine")
    assert not isinstance(caught.value, ConnectionError)


def test_a_pickled_store_reaches_the_same_objects(proxy: FaultProxy, bucket: str) -> None:
    store = store_behind(proxy, bucket)
    store.create("a", b"mine")
    assert pickle.loads(pickle.dumps(store)).read("a") == b"mine"


def test_the_endpoint_comes_from_the_environment(
    ministack: str, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", ministack)
    store = S3Store(bucket, "environment")
    store.create("a", b"mine")
    assert S3Store(bucket, "environment/").read("a") == b"mine"
