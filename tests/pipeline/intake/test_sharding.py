"""Every record lies in exactly one slice, and slices read as the file does."""

import csv
import io
import json
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.documents import InputSource
from pipeline.intake.census import take_census
from pipeline.intake.grains import GRAIN_DOCUMENTS, Grains, grain_bytes_for
from pipeline.intake.listing import file_table, list_inputs
from pipeline.intake.sharding import cut_shards, default_target_tokens, locate, slices_of
from pipeline.loaders.loading import load_documents
from tests.pipeline.planned import documents_of, plan_of, planned, source_of

texts = st.text(alphabet='a é,"\n\r{', max_size=12)
line_ends = st.sampled_from(["\n", "\r\n"])


@given(st.lists(texts, max_size=25), line_ends, st.booleans(), st.integers(1, 400), st.data())
@settings(max_examples=60, deadline=None)
def test_jsonl_slices_hold_every_record_once(
    values: list[str], line_end: str, ends_with_newline: bool, target: int, data: st.DataObject
) -> None:
    lines = [json.dumps({"text": value}, ensure_ascii=False) for value in values]
    for index in data.draw(st.lists(st.integers(0, len(lines)), max_size=3)):
        lines.insert(index, data.draw(st.sampled_from(["", "  ", "oops"])))
    text = line_end.join(lines) + (line_end if ends_with_newline else "")
    expected = [
        None if line == "oops" else json.loads(line)["text"] for line in lines if line.strip()
    ]
    check_records(text.encode(), "a.jsonl", expected, target)


@given(
    st.lists(st.tuples(texts, texts), max_size=25), line_ends, st.booleans(), st.integers(1, 400)
)
@settings(max_examples=60, deadline=None)
def test_csv_slices_hold_every_record_once(
    values: list[tuple[str, str]], line_end: str, ends_with_newline: bool, target: int
) -> None:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator=line_end, quoting=csv.QUOTE_ALL)
    writer.writerows([("n", "text"), *values])
    text = out.getvalue() if ends_with_newline else out.getvalue().removesuffix(line_end)
    check_records(text.encode(), "a.csv", [value for _, value in values], target)


def check_records(data: bytes, name: str, expected: list[str | None], target: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(data)
        source = source_of(path)
        if not expected:
            return
        whole = documents_of(source, 1 << 50)
        cut = documents_of(source, target)
        slices = [one for shard in plan_of(source, target) for one in shard.slices]
    slices.sort(key=lambda one: one.start)
    assert [one.stop for one in slices[:-1]] == [one.start for one in slices[1:]]
    assert [d.fields.get("text") for d in whole] == expected
    without_place = [(d.id, d.text, d.fields, d.source_row, d.failure) for d in whole]
    assert [(d.id, d.text, d.fields, d.source_row, d.failure) for d in cut] == without_place
    assert [d.source_row for d in cut] == list(range(len(expected)))


weights = st.lists(
    st.tuples(st.integers(1, 50), st.integers(1, 1000), st.integers(1, 300)),
    min_size=1,
    max_size=60,
)


def grains_of(rows: list[tuple[int, int, int]]) -> Grains:
    documents, sizes, tokens = (np.array(column, np.int64) for column in zip(*rows, strict=True))
    file = np.arange(len(rows), dtype=np.int64) // 5
    zeros = np.zeros(len(rows), np.int64)
    return Grains(file, zeros, zeros, zeros, documents, sizes, tokens)


@given(weights, st.integers(1, 500), st.integers(1, 100), st.integers(1, 2000))
def test_shards_are_full_within_their_limits_and_cover_all(
    rows: list[tuple[int, int, int]], tokens: int, documents: int, size: int
) -> None:
    cut = cut_shards(
        grains_of(rows), target_tokens=tokens, most_documents=documents, most_bytes=size
    )
    assert cut.first_grain[0] == 0
    assert cut.first_grain[-1] == len(rows)
    limits = (documents, size, tokens)
    loads = []
    for first, last in zip(cut.first_grain, cut.first_grain[1:], strict=False):
        load = np.array(rows[first:last]).sum(axis=0)
        loads.append(int(load[2]))
        assert last > first
        assert last == first + 1 or (load <= limits).all()
        if last < len(rows):  # one more grain would have been too much
            assert ((load + rows[last]) > limits).any()
    ordered = [loads[place] for place in cut.order]
    assert ordered == sorted(loads, reverse=True)


@given(weights, st.integers(1, 500))
def test_positions_are_located_in_the_shard_that_holds_them(
    rows: list[tuple[int, int, int]], tokens: int
) -> None:
    cut = cut_shards(grains_of(rows), target_tokens=tokens)
    total = sum(documents for documents, _, _ in rows)
    numbers, ordinals = locate(cut, np.arange(total))
    counts = np.diff(cut.first_document)[cut.order]
    for number, count in enumerate(counts):
        assert ordinals[numbers == number].tolist() == list(range(count))


def test_the_plan_is_the_same_whatever_the_order_of_uris(tmp_path: Path) -> None:
    for number in range(30):
        (tmp_path / f"{number}.txt").write_text("x" * 40 * number)
    (tmp_path / "rows.jsonl").write_text('{"text":"a"}\n' * 100)
    names = [str(path) for path in tmp_path.iterdir()]
    forward, _ = planned(source_of(*sorted(names)), 500)
    backward, _ = planned(source_of(*sorted(names, reverse=True), tmp_path), 500)
    assert forward.digest == backward.digest
    assert forward.documents == 130


def test_shards_of_a_real_file_are_balanced(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps({"text": "x" * (n % 700)}) + "\n" for n in range(5000)))
    shards = plan_of(source_of(path))
    loads = [shard.estimated_tokens for shard in shards]
    assert 30 <= len(shards) <= 40
    assert loads == sorted(loads, reverse=True)
    assert max(loads) <= 1.05 * sorted(loads)[len(loads) // 2]


def test_a_small_job_keeps_several_coordinators_busy_and_a_huge_one_stays_countable() -> None:
    assert default_target_tokens(200) == 8_000
    assert default_target_tokens(3_200_000) == 100_000
    assert default_target_tokens(10**9) == 250_000
    assert 10**13 // default_target_tokens(10**13) <= 1_000_000


def test_many_tiny_records_are_cut_by_their_number(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("text\n" + "x\n" * 9000)
    shards = plan_of(source_of(path), 10**9)
    assert [shard.documents for shard in shards] == [2000, 2000, 2000, 2000, 1000]


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv", "a.txt"])
@pytest.mark.parametrize("limit", [1, 7, 1234, 5000])
def test_limit_takes_the_first_documents_in_input_order(
    tmp_path: Path, name: str, limit: int
) -> None:
    for part in range(3):
        folder = tmp_path / str(part)
        folder.mkdir()
        if name == "a.txt":
            for number in range(700):
                (folder / f"{number:04}.txt").write_text("x")
        else:
            row = '{"text":"x"}\n' if name == "a.jsonl" else "x\n"
            head = "" if name == "a.jsonl" else "text\n"
            (folder / name).write_text(head + row * 700)
    limited = documents_of(source_of(tmp_path, limit=limit))
    everything = documents_of(source_of(tmp_path))
    assert [d.id for d in limited] == [d.id for d in everything[:limit]]


def test_many_files_are_columns(tmp_path: Path) -> None:
    import tracemalloc

    uris = [f"s3://bucket/folder/document-{number:07}.txt" for number in range(20_000)]
    files = file_table(uris, [1000] * len(uris), ["0123456789abcdef"] * len(uris))
    source = InputSource(("s3://bucket",))
    tracemalloc.start()
    try:
        grains = take_census(source, files, grain_bytes=grain_bytes_for(files.total_bytes))
        cut = cut_shards(grains, target_tokens=default_target_tokens(10**8))
        count = sum(len(slices) for slices in slices_of(cut, files))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert count == 20_000
    assert peak < 6_000_000  # as objects, files alone would take more


def test_grains_stay_small_enough_to_balance(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"text":"%s"}\n' % ("x" * 50) * 4000)
    files = list_inputs(source_of(path))
    grains = take_census(source_of(path), files, grain_bytes=2000)
    assert grains.documents.max() <= 2000 // 62
    assert grains.documents.sum() == 4000
    wide = take_census(source_of(path), files, grain_bytes=10**9)
    assert wide.documents.max() == GRAIN_DOCUMENTS


def test_a_changed_count_stops_instead_of_giving_other_rows(tmp_path: Path) -> None:
    from dataclasses import replace

    from pipeline.loaders.input_errors import InputChangedError

    path = tmp_path / "a.jsonl"
    path.write_text('{"text":"a"}\n' * 3)
    [shard] = plan_of(source_of(path))
    wrong = replace(shard, slices=(replace(shard.slices[0], documents=4),))
    with pytest.raises(InputChangedError, match="holds 3 documents where 4 were planned"):
        list(load_documents(wrong, source_of(path)))
