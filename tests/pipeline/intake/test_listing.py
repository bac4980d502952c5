import os
from pathlib import Path

import fsspec
import pytest

from pipeline.intake.listing import input_digest, list_inputs
from pipeline.loaders.input_errors import (
    InputAccessError,
    InputError,
    MissingLocationError,
    NoDocumentsError,
    UnsupportedSchemeError,
)
from tests.pipeline.planned import documents_of, failures_of, source_of


def tree(root: Path, *names: str) -> Path:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return root


def names_of(*uris: Path | str, root: Path, **given: object) -> list[str]:
    return [file.uri.removeprefix(f"{root}/") for file in list_inputs(source_of(*uris, **given))]


def test_a_folder_means_every_file_beneath_it_but_hidden_and_marker_files(tmp_path: Path) -> None:
    tree(tmp_path, "b.txt", "a/c.md", "a/.git/x.txt", ".env", "_SUCCESS", "a/b/d.bin", "_x.txt")
    assert names_of(tmp_path, root=tmp_path) == ["_x.txt", "a/b/d.bin", "a/c.md", "b.txt"]


def test_globs_and_repeated_matches_count_once(tmp_path: Path) -> None:
    tree(tmp_path, "1.txt", "2.txt", "a/3.txt", "a/4.md", ".h/5.txt")
    assert names_of(tmp_path / "*.txt", root=tmp_path) == ["1.txt", "2.txt"]
    assert names_of(tmp_path / "**/*.txt", root=tmp_path) == ["1.txt", "2.txt", "a/3.txt"]
    again = (tmp_path / "?.txt", tmp_path / "1.txt", f"file://{tmp_path}/2.txt")
    assert names_of(*again, root=tmp_path) == ["1.txt", "2.txt"]
    assert names_of(tmp_path / "*", root=tmp_path) == ["1.txt", "2.txt", "a/3.txt", "a/4.md"]


def test_a_name_with_brackets_is_a_name_if_there_is_such_a_file(tmp_path: Path) -> None:
    tree(tmp_path, "report[1].txt", "report1.txt")
    assert names_of(tmp_path / "report[1].txt", root=tmp_path) == ["report[1].txt"]


def test_a_hidden_folder_that_is_named_is_read(tmp_path: Path) -> None:
    tree(tmp_path, ".data/1.txt")
    assert names_of(tmp_path / ".data", root=tmp_path) == [".data/1.txt"]
    assert names_of(tmp_path / ".data/*.txt", root=tmp_path) == [".data/1.txt"]


def test_relative_paths_are_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree(tmp_path, "a/1.txt")
    monkeypatch.chdir(tmp_path)
    assert names_of("a/*.txt", root=tmp_path) == ["a/1.txt"]


def test_formats_go_by_extension_unless_one_is_given(tmp_path: Path) -> None:
    tree(tmp_path, "a.NDJSON", "b.htm", "c.pq", "d.log", "e")
    files = list_inputs(source_of(tmp_path))
    assert [file.format for file in files] == [
        "jsonl",
        "html",
        "parquet",
        "unsupported",
        "unsupported",
    ]
    assert {file.format for file in list_inputs(source_of(tmp_path, format="txt"))} == {"txt"}


def test_a_file_of_unknown_format_is_one_error_row(tmp_path: Path) -> None:
    tree(tmp_path, "a.txt", "b.docx", "c.jsonl.gz")
    rows = list(failures_of(documents_of(source_of(tmp_path))))
    assert [code for _, code, _ in rows] == ["unsupported_format"] * 2
    assert "compressed" in rows[1][2]


def test_memory_and_other_fsspec_urls(tmp_path: Path) -> None:
    memory = fsspec.filesystem("memory")
    memory.pipe({"/in/a.txt": b"one", "/in/b.jsonl": b'{"text":"two"}\n'})
    try:
        found = documents_of(source_of("memory://in"))
        assert [(d.source, d.text) for d in found] == [
            ("memory:///in/a.txt", "one"),
            ("memory:///in/b.jsonl", "two"),
        ]
    finally:
        memory.rm("/in", recursive=True)


@pytest.mark.parametrize(
    ("uri", "kind", "says"),
    [
        ("{root}/nothing", MissingLocationError, "no such file or folder"),
        ("{root}/nothing/*.txt", MissingLocationError, "no such file or folder"),
        ("{root}/*.csv", NoDocumentsError, "matches no file"),
        ("{root}/empty", NoDocumentsError, "matches no file"),
        ("gs://bucket/x", UnsupportedSchemeError, "gcsfs"),
        ("nonsense://x", UnsupportedSchemeError, "nothing reads nonsense://"),
    ],
)
def test_what_cannot_be_listed_names_the_field_the_value_and_the_way_out(
    tmp_path: Path, uri: str, kind: type[InputError], says: str
) -> None:
    tree(tmp_path, "a.txt")
    (tmp_path / "empty").mkdir()
    uri = uri.format(root=tmp_path)
    with pytest.raises(kind, match=says) as caught:
        list_inputs(source_of(uri))
    assert caught.value.field == "input.uri"
    assert caught.value.value == uri
    assert caught.value.remedy


def test_files_without_documents_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text("\n\n")
    (tmp_path / "b.csv").write_text("text\n")
    with pytest.raises(NoDocumentsError, match="2 files match, but they hold no documents"):
        documents_of(source_of(tmp_path))


def test_no_permission_is_said_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from fsspec.implementations.local import LocalFileSystem

    def refuse(self: LocalFileSystem, path: str, **given: object) -> None:
        raise PermissionError(13, "Permission denied", path)

    tree(tmp_path, "a.txt")  # the tests run as root, whom no mode stops
    monkeypatch.setattr(LocalFileSystem, "info", refuse)
    with pytest.raises(InputAccessError, match="may not be read"):
        list_inputs(source_of(tmp_path))


def test_the_digest_changes_with_any_file_and_only_then(tmp_path: Path) -> None:
    tree(tmp_path, "a.txt", "b.txt")
    source = source_of(tmp_path)
    before = input_digest(list_inputs(source))
    assert input_digest(list_inputs(source_of(tmp_path / "*.txt"))) == before
    os.utime(tmp_path / "a.txt", (1, 1))
    touched = input_digest(list_inputs(source))
    assert touched != before
    tree(tmp_path, "c.txt")
    assert input_digest(list_inputs(source)) != touched
