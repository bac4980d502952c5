"""One contract for every store: in memory, in a folder, and on two S3 servers over HTTP."""

import pickle
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from checkpoints.commit import Outcome, create_once
from checkpoints.errors import UnsafeStoreError
from checkpoints.local_store import LocalStore
from checkpoints.memory_store import MemoryStore
from checkpoints.preflight import check_store
from checkpoints.store import Store
from infra.s3 import S3Store

KINDS = ("memory", "local", "ministack", "moto")
CLIENTS: dict[str, S3Store] = {}


@pytest.fixture(params=KINDS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    match request.param:
        case "memory":
            return MemoryStore()
        case "local":
            return LocalStore(tmp_path / "root")
        case kind:
            made = S3Store(
                "contract",
                f"runs/{uuid.uuid4().hex}",
                endpoint_url=request.getfixturevalue(kind),
                patience_s=30,
            )
            shared = CLIENTS.setdefault(kind, made)
            shared._client()
            made._made = shared._made
            return made


def test_what_is_created_can_be_read(store: Store) -> None:
    store.create("results/a b+c.parquet", b"\x00\xff data")
    assert store.read("results/a b+c.parquet") == b"\x00\xff data"


def test_an_empty_object_is_an_object(store: Store) -> None:
    store.create("empty", b"")
    assert store.read("empty") == b""
    assert store.read_tail("empty", 8) == b""
    assert [(info.key, info.size_bytes) for info in store.list("")] == [("empty", 0)]


def test_a_second_create_is_refused_and_changes_nothing(store: Store) -> None:
    store.create("a", b"first")
    with pytest.raises(FileExistsError, match="a"):
        store.create("a", b"second")
    assert store.read("a") == b"first"


def test_of_racing_creates_exactly_one_wins(store: Store) -> None:
    def race(number: int) -> Outcome:
        return create_once(store, "raced", f"{number}".encode())

    with ThreadPoolExecutor(16) as pool:
        outcomes = list(pool.map(race, range(16)))
    assert outcomes.count(Outcome.OURS) == 1
    assert store.read("raced") == str(outcomes.index(Outcome.OURS)).encode()


def test_replace_writes_over_and_makes_new(store: Store) -> None:
    store.replace("folder/a", b"first")
    store.replace("folder/a", b"second")
    assert store.read("folder/a") == b"second"


def test_replace_if_needs_the_version_that_was_read(store: Store) -> None:
    store.create("a", b"first")
    _, old = store.read_versioned("a")
    new = store.replace_if("a", b"second", old)
    with pytest.raises(FileExistsError):
        store.replace_if("a", b"third", old)
    assert store.read_versioned("a") == (b"second", new)


def test_replace_if_never_makes_an_object(store: Store) -> None:
    store.create("a", b"first")
    _, version = store.read_versioned("a")
    store.delete(["a"])
    with pytest.raises(FileNotFoundError):
        store.replace_if("a", b"second", version)


def test_a_missing_object_is_file_not_found(store: Store) -> None:
    for read in (store.read, store.read_versioned, lambda key: store.read_tail(key, 8)):
        with pytest.raises(FileNotFoundError, match="nothing/here"):
            read("nothing/here")


@pytest.mark.parametrize(("length_bytes", "tail"), [(1, b"9"), (4, b"6789"), (99, b"0123456789")])
def test_the_tail_is_at_most_the_object(store: Store, length_bytes: int, tail: bytes) -> None:
    store.create("a", b"0123456789")
    assert store.read_tail("a", length_bytes) == tail


def test_a_listing_takes_a_prefix_of_the_key_not_a_folder(store: Store) -> None:
    for key in ("results/s-1", "results/s-10", "results/t-1", "results/s/deep/er", "other/s-1"):
        store.create(key, key.encode())
    assert sorted(info.key for info in store.list("results/s-1")) == ["results/s-1", "results/s-10"]
    assert sorted(info.key for info in store.list("results/s")) == [
        "results/s-1",
        "results/s-10",
        "results/s/deep/er",
    ]
    assert {info.key: info.size_bytes for info in store.list("other/")} == {"other/s-1": 9}
    assert list(store.list("nothing/")) == []
    assert len(list(store.list(""))) == 5


def test_more_objects_than_one_page_are_listed_and_deleted(
    store: Store, request: pytest.FixtureRequest
) -> None:
    # Pages hold a thousand; a second server and the fsyncs of a folder would only cost time.
    count = 1003 if "ministack" in request.node.name else 103
    keys = [f"many/{number:05d}" for number in range(count)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda key: store.replace(key, b""), keys))
    assert sorted(info.key for info in store.list("many/")) == keys
    store.delete(iter(keys[:-1]))
    assert [info.key for info in store.list("many/")] == keys[-1:]


def test_deleting_what_is_not_there_is_no_error(store: Store) -> None:
    store.create("a", b"")
    store.delete(["nothing", "a", "nothing/here"])
    store.delete([])
    assert list(store.list("")) == []


def test_the_preflight_passes_and_leaves_nothing(store: Store) -> None:
    store.create("kept", b"")
    check_store(store)
    assert [info.key for info in store.list("")] == ["kept"]


def test_a_copy_reaches_the_same_objects_or_is_refused(store: Store) -> None:
    store.create("a", b"mine")
    if isinstance(store, MemoryStore):
        with pytest.raises(TypeError, match="one process"):
            pickle.dumps(store)
    else:
        assert pickle.loads(pickle.dumps(store)).read("a") == b"mine"


class Overwriting(MemoryStore):
    """Ignores the condition, as some servers do."""

    def create(self, key: str, data: bytes) -> None:
        self.replace(key, data)


class Racy(MemoryStore):
    """Checks, then writes: right for one writer at a time, wrong for several."""

    def create(self, key: str, data: bytes) -> None:
        found = key in self._objects
        if "raced" in key:
            import time

            time.sleep(0.02)
        if found:
            raise FileExistsError(key)
        self.replace(key, data)


class Forgetful(MemoryStore):
    """Lists nothing."""

    def list(self, prefix: str):  # type: ignore[no-untyped-def]
        return iter(())


class Undead(MemoryStore):
    """Deletes nothing."""

    def delete(self, keys: object) -> None:
        pass


class Forbidding(MemoryStore):
    """Lets this identity neither put nor delete."""

    def create(self, key: str, data: bytes) -> None:
        raise PermissionError(f"create {key}: allow s3:PutObject")

    def delete(self, keys: object) -> None:
        raise PermissionError("delete: allow s3:DeleteObject")


def test_the_preflight_raises_its_first_error_though_the_cleanup_fails_too() -> None:
    with pytest.raises(PermissionError, match="PutObject") as caught:
        check_store(Forbidding())
    assert "DeleteObject" in caught.value.__notes__[0]


@pytest.mark.parametrize(
    ("unsafe", "named"),
    [
        (Overwriting, "create of an existing object succeeds"),
        (Racy, "racing creates"),
        (Forgetful, "list after a create"),
        (Undead, "after its deletion"),
    ],
)
def test_the_preflight_names_what_is_unsafe(unsafe: type[MemoryStore], named: str) -> None:
    store = unsafe()
    with pytest.raises(UnsafeStoreError, match=rf"{named}.*If-None-Match"):
        check_store(store)
    assert unsafe is Undead or store._objects == {}


def test_the_preflight_refuses_a_server_that_ignores_the_condition(ministack: str) -> None:
    from tests.infra.fault_proxy import fault_proxy

    with fault_proxy(ministack) as proxy:
        proxy.strip_headers.add("if-none-match")
        store = S3Store("contract", "ignoring", endpoint_url=proxy.endpoint, patience_s=5)
        with pytest.raises(UnsafeStoreError, match="If-None-Match is ignored"):
            check_store(store)
        assert list(store.list("")) == []
