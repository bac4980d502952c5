"""The generated documents: repeatable, true to their answers in every format."""

import json
import random
import re
from pathlib import Path

import pypdfium2
import pytest
import xgrammar
from bs4 import BeautifulSoup

from jobs.demo.answer import Difficulty
from jobs.demo.document import draw_document
from jobs.demo.documents import Order, main, write_folder
from jobs.demo.names import Namer
from jobs.demo.render import Format

SCHEMA = json.loads((Path(__file__).parents[3] / "jobs/demo/schema.json").read_text())
SAMPLE = 120


def independent_text(content: bytes, format_: Format) -> str:
    """The text by the plainest use of each library, not by the demo's own reader."""
    if format_ is Format.PDF:
        document = pypdfium2.PdfDocument(content)
        return "\n".join(page.get_textpage().get_text_range() for page in document)
    if format_ is Format.HTML:
        return BeautifulSoup(content, "html.parser").get_text("\n")
    return content.decode()


def files_under(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def matches_schema(answer: dict[str, str | None]) -> bool:
    properties = SCHEMA["properties"]
    assert list(answer) == list(properties) == SCHEMA["required"]
    total = answer["total"]
    return (
        answer["kind"] in properties["kind"]["enum"]
        and re.fullmatch(properties["date"]["pattern"], str(answer["date"])) is not None
        and answer["currency"] in properties["currency"]["enum"]
        and (total is None or re.fullmatch(r"[0-9]+\.[0-9]{2}", total) is not None)
        and (total is None) == (answer["currency"] is None)
    )


def test_the_same_arguments_give_the_same_bytes(tmp_path: Path) -> None:
    order = Order(count=60, seed=5, has_bad_documents=True)
    write_folder(order, tmp_path / "a")
    write_folder(order, tmp_path / "b")
    assert files_under(tmp_path / "a") == files_under(tmp_path / "b")


def test_another_seed_gives_other_documents() -> None:
    assert draw_document(1, 0, is_held_out=True) != draw_document(2, 0, is_held_out=True)


@pytest.mark.parametrize("format_", list(Format))
def test_every_format_holds_number_and_sender_unbroken(format_: Format) -> None:
    for index in range(SAMPLE):
        document = draw_document(11, index, is_held_out=True, format_=format_)
        for text in (document.text(), independent_text(document.content, format_)):
            assert document.answer.number in text
            assert document.answer.sender in text


@pytest.mark.parametrize("format_", list(Format))
def test_the_total_stands_in_the_text_digit_by_digit(format_: Format) -> None:
    for index in range(SAMPLE):
        document = draw_document(12, index, is_held_out=True, format_=format_)
        total = document.answer.total
        if total is not None:
            digits = r"[., ]?".join(re.findall(r"\d", f"{total.amount:.2f}"))
            assert re.search(digits, document.text())


def test_every_answer_keeps_to_the_schema_and_its_grammar() -> None:
    compiler = xgrammar.GrammarCompiler(xgrammar.TokenizerInfo([]))
    grammar = compiler.compile_json_schema(json.dumps(SCHEMA), any_whitespace=False)
    for index in range(SAMPLE):
        answer_json = draw_document(13, index, is_held_out=True).answer.to_json()
        assert matches_schema(json.loads(answer_json))
        assert xgrammar.GrammarMatcher(grammar, terminate_without_stop_token=True).accept_string(
            answer_json
        )


def test_all_difficulties_and_formats_occur() -> None:
    drawn = [draw_document(14, index, is_held_out=True) for index in range(SAMPLE)]
    assert {document.difficulty for document in drawn} == set(Difficulty)
    assert {document.format for document in drawn} == set(Format)


def test_no_held_out_word_is_a_training_word() -> None:
    training = Namer(random.Random(1), held_out=False)
    held_out = Namer(random.Random(1), held_out=True)
    assert not {training.stem() for _ in range(3000)} & {held_out.stem() for _ in range(3000)}


def test_the_gold_file_names_every_document_once_and_lies_outside(tmp_path: Path) -> None:
    main(["--count", "80", "--out", str(tmp_path), "--bad", "--weights", "6,3,1"])
    golds = [json.loads(line) for line in (tmp_path / "gold.jsonl").read_text().splitlines()]
    rows = [
        json.loads(line) for line in (tmp_path / "documents/rows.jsonl").read_text().splitlines()
    ]
    places = {(gold["source"], gold["row"]) for gold in golds}
    expected = {(name, None) for name in files_under(tmp_path / "documents")} - {
        ("rows.jsonl", None)
    } | {("rows.jsonl", row) for row in range(len(rows))}
    assert places == expected
    assert len(golds) == len(places) == 80 + 6
    for gold in golds:
        assert (gold["answer"] is None) == (gold["error"] is not None)
        if gold["row"] is not None:
            assert rows[gold["row"]]["id"] == gold["id"]


def test_a_folder_that_holds_documents_is_refused(tmp_path: Path) -> None:
    write_folder(Order(count=1, seed=1), tmp_path)
    with pytest.raises(FileExistsError):
        write_folder(Order(count=1, seed=1), tmp_path)
