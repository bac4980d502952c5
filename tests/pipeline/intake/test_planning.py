import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from checkpoints.memory_store import MemoryStore
from pipeline.documents import InputSource
from pipeline.intake.listing import list_inputs
from pipeline.intake.planning import check_fields, field_names, plan_input
from pipeline.loaders.input_errors import UnknownFieldError
from pipeline.loaders.loading import load_documents
from tests.pipeline.planned import documents_of, failures_of, plan_of, planned, source_of


def jsonl(path: Path, ids: list[object]) -> None:
    path.write_text("".join(json.dumps({"id": one, "text": f"t{one}"}) + "\n" for one in ids))


def test_the_first_of_a_repeated_id_is_kept_across_files_formats_and_shards(tmp_path: Path) -> None:
    jsonl(tmp_path / "a.jsonl", ["x", "y", None, "x", 7])
    (tmp_path / "b.csv").write_text("id,text\n7,again\nz,new\nbroken\ny,again\n,none\n")
    pq.write_table(
        pa.table({"id": ["z", "w", None, "w"], "text": ["again", "new", "none", "again"]}),
        tmp_path / "c.parquet",
    )
    (tmp_path / "d.txt").write_text("a document")
    for target in (1, 150, None):
        shards = plan_of(source := source_of(tmp_path, id_field="id"), target)
        found = documents_of(source, target)
        repeated = [
            (Path(d.source).name, d.source_row)
            for d in found
            if d.failure is not None and d.failure.code == "duplicate_id"
        ]
        assert repeated == [
            ("a.jsonl", 3),
            ("b.csv", 0),
            ("b.csv", 3),
            ("c.parquet", 0),
            ("c.parquet", 3),
        ]
        assert sum(len(shard.duplicates) for shard in shards) == 5
        codes = [code for _, code, _ in failures_of(found)]
        assert codes.count("missing_field") == 3
        assert codes.count("malformed_row") == 1
        kept = [d.id for d in found if d.failure is None or d.failure.code != "duplicate_id"]
        assert len(kept) == len(set(kept)) == 10


def test_a_repeated_id_is_said_even_where_the_text_is_empty_too(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,text\n1,a\n1,\n")
    found = documents_of(source_of(tmp_path, id_field="id"))
    assert [code for _, code, _ in failures_of(found)] == ["duplicate_id"]


def test_ids_of_files_can_be_their_paths_or_names(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "1.txt").write_text(folder)
    by_path = documents_of(source_of(tmp_path, id_field="path"))
    assert [d.id for d in by_path] == [f"{tmp_path}/a/1.txt", f"{tmp_path}/b/1.txt"]
    by_name = documents_of(source_of(tmp_path, id_field="name"))
    assert [d.id for d in by_name] == ["1.txt", "1.txt"]
    assert by_name[1].failure is not None
    assert by_name[1].failure.code == "duplicate_id"
    derived = documents_of(source_of(tmp_path, id_field="other"))
    assert all(len(d.id) == 24 and d.failure is None for d in derived)


def test_ids_that_the_census_sees_are_those_of_the_documents(tmp_path: Path) -> None:
    lines = [b'{"id":1,"text":"a"}\x0c', b'{"id":1,"text":"a"} \t', b'{"id":"1","text":NaN}', b"[]"]
    (tmp_path / "a.jsonl").write_bytes(b"\n".join(lines))
    rows = [b"id,text", b"1,a", b'"1",a', b'1,"a', b"2,a\rb", b"\xff,a", b"1,b"]
    (tmp_path / "b.csv").write_bytes(b"\n".join(rows))
    found = documents_of(source_of(tmp_path, id_field="id"), 1)
    assert [(d.source_row, d.failure and d.failure.code) for d in found] == [
        (0, "malformed_row"),
        (1, None),
        (2, "duplicate_id"),
        (3, "malformed_row"),
        (0, "duplicate_id"),
        (1, "duplicate_id"),
        (2, "malformed_row"),
        (3, "malformed_row"),
        (4, "undecodable"),
        (5, "duplicate_id"),
    ]


def test_a_plan_is_the_same_every_time_and_a_sealed_one_stays(tmp_path: Path) -> None:
    jsonl(tmp_path / "a.jsonl", list(range(300)))
    source = source_of(tmp_path, id_field="id")
    first, _ = planned(source, 1000)
    assert planned(source, 1000)[0] == first
    store = MemoryStore()
    files = list_inputs(source)
    sealed = plan_input(files, source, store, target_shard_tokens=1000)
    (tmp_path / "a.jsonl").unlink()
    assert plan_input(files, source, store, target_shard_tokens=5) == sealed == first
    assert first.documents == 300


def test_mixed_formats_give_every_document_once(tmp_path: Path) -> None:
    jsonl(tmp_path / "m.jsonl", list(range(50)))
    for number in range(20):
        (tmp_path / f"{number}.txt").write_text(f"text {number}")
        (tmp_path / f"{number}.html").write_text(f"<p>page {number}")
    found = documents_of(source := source_of(tmp_path), 200)
    assert len({d.id for d in found}) == 90
    assert all(d.failure is None for d in found)
    header, shards = planned(source, 200)
    assert header.documents == 90
    for shard in shards:
        ordinals = [d.ordinal for d in load_documents(shard, source)]
        assert ordinals == list(range(shard.documents))


def test_field_names_come_from_every_kind_of_file(tmp_path: Path) -> None:
    jsonl(tmp_path / "a.jsonl", [1])
    (tmp_path / "b.csv").write_text("title,body\nx,y\n")
    (tmp_path / "c.txt").write_text("c")
    source = source_of(tmp_path)
    available = field_names(source, list_inputs(source))
    assert available == {"text", "fields", "id", "title", "body", "path", "name"}
    check_fields(source_of(tmp_path, id_field="id", text_fields=("body", "title")), available)
    for given in ({"id_field": "idd"}, {"text_fields": ("boddy",)}, {"passthrough": ("x",)}):
        with pytest.raises(UnknownFieldError, match="no document has this field"):
            check_fields(source_of(tmp_path, **given), available)


def test_a_folder_of_files_only_needs_no_text_field(tmp_path: Path) -> None:
    (tmp_path / "c.txt").write_text("c")
    source = source_of(tmp_path)
    check_fields(source, field_names(source, list_inputs(source)))


def test_a_field_of_rows_is_seen_behind_many_files_of_another_format(tmp_path: Path) -> None:
    for number in range(30):
        (tmp_path / f"a{number:02d}.txt").write_text("a text")
    (tmp_path / "rows.jsonl").write_text('{"id": "1", "text": "a row"}\n')
    source = InputSource((str(tmp_path),), id_field="id")
    assert "id" in field_names(source, list_inputs(source))
