from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.pipeline.planned import documents_of, failures_of, source_of


def written(folder: Path, name: str, data: bytes | str) -> Path:
    path = folder / name
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return path


def test_jsonl_lines_are_documents_and_blank_lines_are_not(tmp_path: Path) -> None:
    path = written(
        tmp_path, "a.jsonl", '\ufeff{"text":"a"}\n\n  \t\r\n{"text":"b"}\r\n{"text":"c"}'
    )
    found = documents_of(source_of(path))
    assert [document.text for document in found] == ["a", "b", "c"]
    assert [document.source_row for document in found] == [0, 1, 2]


def test_a_malformed_line_is_a_row_with_its_line_number(tmp_path: Path) -> None:
    path = written(
        tmp_path, "a.jsonl", b'{"text":"a"}\n\n{"text":\n[1]\n{"text":"\xff"}\n{"text":"z"}\n'
    )
    found = documents_of(source_of(path))
    assert [(code, reason) for _, code, reason in failures_of(found)] == [
        ("malformed_row", "line 3 is not JSON: unexpected end of data, column 9"),
        ("malformed_row", "line 4 holds a list, expected a JSON object"),
        ("undecodable", "line 5 is not UTF-8 at byte 36"),
    ]
    assert found[-1].text == "z"


def test_a_line_number_counts_from_the_file_not_from_the_slice(tmp_path: Path) -> None:
    lines = [f'{{"text":"{number}"}}\n\n' for number in range(50)] + ["oops\n"]
    path = written(tmp_path, "a.jsonl", "".join(lines))
    [(row, _, reason)] = failures_of(documents_of(source_of(path), target_shard_tokens=100))
    assert row == 50
    assert reason.startswith("line 101 is not JSON")


def test_nan_and_half_an_emoji_are_read(tmp_path: Path) -> None:
    path = written(tmp_path, "a.jsonl", '{"text":"a\\ud83d","x":NaN}\n')
    [document] = documents_of(source_of(path))
    assert document.text == "a\ufffd"
    assert document.failure is None


def test_several_text_fields_are_joined_by_a_blank_line_and_null_is_left_out(
    tmp_path: Path,
) -> None:
    path = written(
        tmp_path,
        "a.jsonl",
        '{"t":"T","b":"B"}\n{"t":null,"b":"B"}\n{"t":"T"}\n{"t":"","b":null}\n{"t":7,"b":[1]}\n',
    )
    found = documents_of(source_of(path, text_fields=("t", "b")))
    assert [document.text for document in found] == ["T\n\nB", "B", "", "", "7\n\n[1]"]
    assert [(row, code) for row, code, _ in failures_of(found)] == [
        (2, "missing_field"),
        (3, "empty_text"),
    ]


def test_ids_are_text_and_a_missing_one_is_a_failure_with_a_derived_id(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        "a.jsonl",
        '{"id":7,"text":"a"}\n{"id":"x","text":"b"}\n{"id":null,"text":"c"}\n{"text":"d"}\n'
        '{"id":123456789012345678901234567890,"text":"e"}\n',
    )
    found = documents_of(source_of(path, id_field="id"))
    assert [document.id for document in found[:2]] == ["7", "x"]
    assert found[4].id == "123456789012345678901234567890"
    assert [(row, code) for row, code, _ in failures_of(found)] == [
        (2, "missing_field"),
        (3, "missing_field"),
    ]
    assert len(found[2].id) == 24
    assert found[2].id != found[3].id


def test_derived_ids_differ_by_place_and_content_and_stay_the_same(tmp_path: Path) -> None:
    path = written(tmp_path, "a.jsonl", '{"text":"same"}\n{"text":"same"}\n')
    first = documents_of(source_of(path))
    assert first[0].id != first[1].id
    assert [d.id for d in documents_of(source_of(path), 1)] == [d.id for d in first]
    written(tmp_path, "a.jsonl", '{"text":"same"}\n{"text":"Same"}\n')
    changed = documents_of(source_of(path))
    assert changed[0].id == first[0].id
    assert changed[1].id != first[1].id


def test_passthrough_is_text_with_nested_values_as_json(tmp_path: Path) -> None:
    path = written(tmp_path, "a.jsonl", '{"text":"a","n":1.5,"d":{"k":["é"]},"z":null}\n')
    [document] = documents_of(source_of(path, passthrough=("n", "d", "z", "absent")))
    assert document.passthrough == (
        ("n", "1.5"),
        ("d", '{"k": ["é"]}'),
        ("z", None),
        ("absent", None),
    )


def test_csv_fields_may_hold_delimiters_quotes_and_line_ends(tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", 'id,text\r\n1,"a, ""b""\nc"\r\n\r\n2,plain 5" pipe\r\n3,last')
    found = documents_of(source_of(path, id_field="id"))
    assert [(d.id, d.text) for d in found] == [
        ("1", 'a, "b"\nc'),
        ("2", 'plain 5" pipe'),
        ("3", "last"),
    ]


def test_a_csv_row_that_does_not_fit_the_header_is_malformed(tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", b'id,text\n1,a\n2\n3,c,d\n4,"e"x\n5,\xff\n6,f\n')
    found = documents_of(source_of(path))
    assert [(row, code) for row, code, _ in failures_of(found)] == [
        (1, "malformed_row"),
        (2, "malformed_row"),
        (3, "malformed_row"),
        (4, "undecodable"),
    ]
    assert found[1].failure is not None
    assert found[1].failure.reason == "row 2 (byte 12) has 1 fields, the header has 2"
    assert found[5].text == "f"


def test_a_quote_that_is_never_closed_costs_one_row(tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", 'text,n\na,1\n"b,2\nc,3\nd,4\n')
    found = documents_of(source_of(path))
    assert [document.text for document in found] == ["a", "", "c", "d"]
    assert [(row, code) for row, code, _ in failures_of(found)] == [(1, "malformed_row")]


def test_a_text_beyond_the_csv_modules_own_limit_is_read(tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", f'text\n"{"x" * 300_000}"\n')
    [document] = documents_of(source_of(path))
    assert len(document.text) == 300_000


def test_a_header_that_names_a_column_twice_fails_its_rows(tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", "text,text\na,b\nc,d\n")
    assert [code for _, code, _ in failures_of(documents_of(source_of(path)))] == [
        "malformed_row",
        "malformed_row",
    ]


def test_another_delimiter_and_a_byte_order_mark(tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", '\ufeff"id";text\n1;a,b\n')
    [document] = documents_of(source_of(path, delimiter=";", id_field="id"))
    assert (document.id, document.text) == ("1", "a,b")


def parquet(path: Path, rows: list[dict[str, object]], group: int = 4) -> Path:
    pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=group)
    return path


def test_parquet_rows_come_in_order_across_row_groups_and_slices(tmp_path: Path) -> None:
    rows = [{"text": f"t{n}", "meta": {"lang": "de", "n": [n]}} for n in range(23)]
    path = parquet(tmp_path / "a.parquet", rows)
    for target in (None, 70, 500):
        found = documents_of(source_of(path), target)
        assert [document.fields for document in found] == rows


def test_parquet_ids_and_binary_text(tmp_path: Path) -> None:
    rows = [{"id": 1, "text": b"a"}, {"id": None, "text": b"b"}, {"id": 3, "text": b"\xff"}]
    found = documents_of(source_of(parquet(tmp_path / "a.parquet", rows), id_field="id"))
    assert [document.id for document in found][::2] == ["1", "3"]
    assert [(row, code) for row, code, _ in failures_of(found)] == [
        (1, "missing_field"),
        (2, "undecodable"),
    ]


def test_a_broken_parquet_file_is_one_row_and_the_others_go_on(tmp_path: Path) -> None:
    parquet(tmp_path / "good.parquet", [{"text": "a"}])
    whole = (tmp_path / "good.parquet").read_bytes()
    (tmp_path / "bad.parquet").write_bytes(whole[:-20])
    found = documents_of(source_of(tmp_path))
    assert [document.failure and document.failure.code for document in found] == [
        "unreadable",
        None,
    ]


def test_parquet_that_breaks_in_the_middle_gives_a_row_for_every_planned_document(
    tmp_path: Path,
) -> None:
    path = parquet(tmp_path / "a.parquet", [{"text": f"text {n}" * 50} for n in range(40)], 10)
    data = bytearray(path.read_bytes())
    offset = pq.ParquetFile(path).metadata.row_group(2).column(0).data_page_offset
    data[offset : offset + 60] = b"\xff" * 60
    path.write_bytes(data)
    found = documents_of(source_of(path))
    assert len(found) == 40
    assert {code for _, code, _ in failures_of(found)} == {"unreadable"}
    assert all(document.failure is None for document in found[:20])
    assert len({document.id for document in found}) == 40


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv"])
def test_a_record_of_more_than_the_limit_is_refused_while_planning(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pipeline.intake import census_records
    from pipeline.loaders.input_errors import InputError

    monkeypatch.setattr(census_records, "LONGEST_RECORD_BYTES", 1_000_000)
    path = written(tmp_path, name, "text\n" + "x" * 4_000_000)
    with pytest.raises(InputError, match="has a record of more than"):
        documents_of(source_of(path))
