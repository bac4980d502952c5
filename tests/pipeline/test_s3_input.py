"""Input on S3, over HTTP against a real server."""

from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest

from pipeline.intake.listing import list_inputs
from pipeline.loaders.input_errors import (
    InputAccessError,
    InputChangedError,
    MissingLocationError,
    NoDocumentsError,
)
from pipeline.loaders.loading import load_documents
from pipeline.loaders.reading import filesystem
from tests.infra.s3_servers import CREDENTIALS, ministack_server
from tests.pipeline.planned import documents_of, failures_of, plan_of, source_of


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A bucket that s3:// URIs reach through AWS_ENDPOINT_URL."""
    folder = tmp_path_factory.mktemp("ministack")
    with ministack_server(folder) as endpoint, pytest.MonkeyPatch.context() as patch:
        for name, value in {**CREDENTIALS, "AWS_ENDPOINT_URL": endpoint}.items():
            patch.setenv(name, value)
        boto3.client("s3").create_bucket(Bucket="docs")
        yield "docs"


def put(bucket: str, **objects: bytes) -> None:
    client = boto3.client("s3")
    for key, body in objects.items():
        client.put_object(Bucket=bucket, Key=key, Body=body)


def test_folders_globs_and_all_kinds_of_files_are_read(bucket: str, tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(
        pa.table({"text": [f"p{n}" for n in range(100)]}), tmp_path / "p", row_group_size=30
    )
    put(
        bucket,
        **{f"in/{number:03}.txt": f"text {number}".encode() for number in range(40)},
        **{
            "in/rows.jsonl": b'{"text":"a"}\noops\n{"text":"b"}\n',
            "in/rows.csv": b'text\n"c\nd"\n',
        },
        **{"in/folder/": b"", "in/.hidden/x.txt": b"no", "in/_SUCCESS": b""},
        **{"in/rows.parquet": (tmp_path / "p").read_bytes()},
    )
    found = documents_of(source_of("s3://docs/in"), 500)
    assert len(found) == 144
    assert found[0].source == "s3://docs/in/000.txt"
    assert [document.text for document in found[:40]] == [f"text {number}" for number in range(40)]
    assert [document.text for document in found[41:44]] == ["a", "", "b"]
    assert [code for _, code, _ in failures_of(found)] == ["malformed_row"]
    assert [document.text for document in found[44:]] == [f"p{number}" for number in range(100)]
    assert len(list_inputs(source_of("s3://docs/in/00*.txt", "s3://docs/in/001.txt"))) == 10


def test_an_object_that_changed_or_vanished_stops_the_run(bucket: str) -> None:
    put(bucket, **{"moving/a.txt": b"one", "moving/b.jsonl": b'{"text":"x"}\n'})
    source = source_of("s3://docs/moving")
    [shard] = plan_of(source)
    assert len(list(load_documents(shard, source))) == 2
    put(bucket, **{"moving/a.txt": b"two"})
    with pytest.raises(InputChangedError, match=r"changed since .*a\.txt"):
        list(load_documents(shard, source))
    put(bucket, **{"moving/a.txt": b"one"})
    boto3.client("s3").delete_object(Bucket="docs", Key="moving/b.jsonl")
    with pytest.raises(InputChangedError, match=r"vanished since .*b\.jsonl"):
        list(load_documents(shard, source))


def test_a_missing_bucket_prefix_and_match_are_told_apart(bucket: str) -> None:
    put(bucket, **{"some/a.txt": b"x"})
    with pytest.raises(MissingLocationError, match="there is no bucket nowhere"):
        list_inputs(source_of("s3://nowhere/in"))
    with pytest.raises(MissingLocationError, match="there is no bucket nowhere"):
        list_inputs(source_of("s3://nowhere/*.txt"))
    with pytest.raises(MissingLocationError, match="no such file or folder"):
        list_inputs(source_of("s3://docs/absent"))
    with pytest.raises(NoDocumentsError, match="matches no file"):
        list_inputs(source_of("s3://docs/some/*.pdf"))


def test_refused_access_is_said_so(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: str, **given: object) -> None:
        raise PermissionError("Access Denied")  # what s3fs makes of a 403

    monkeypatch.setattr(filesystem("s3://docs/in")[0], "info", refuse)
    with pytest.raises(InputAccessError, match="may not be read"):
        list_inputs(source_of("s3://docs/in"))
