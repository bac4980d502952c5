"""The deliberately bad documents are bad in the way their code says."""

import json
from pathlib import Path

import pypdfium2
import pytest

from jobs.demo.bad import BadFile, Fault, bad_files
from jobs.demo.documents import Order, write_folder
from jobs.demo.tokenizer import MAX_TOKENS


def bad_file(fault: Fault) -> BadFile:
    (found,) = (bad for bad in bad_files() if bad.fault is fault)
    return found


def test_the_empty_file_holds_only_blanks() -> None:
    assert not bad_file(Fault.EMPTY_TEXT).content.decode().strip()


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252"])
def test_the_undecodable_file_is_text_in_no_usual_encoding(encoding: str) -> None:
    with pytest.raises(UnicodeDecodeError):
        bad_file(Fault.UNDECODABLE).content.decode(encoding)


@pytest.mark.parametrize(
    ("fault", "reason"), [(Fault.ENCRYPTED_PDF, "password"), (Fault.BROKEN_PDF, "format")]
)
def test_a_bad_pdf_is_refused_for_its_reason(fault: Fault, reason: str) -> None:
    with pytest.raises(pypdfium2.PdfiumError, match=reason):
        pypdfium2.PdfDocument(bad_file(fault).content)


def test_the_long_file_is_longer_than_any_context_of_the_models() -> None:
    words = bad_file(Fault.TOO_LONG).content.decode().split()
    assert len(words) > 2 * MAX_TOKENS


def test_the_duplicate_row_repeats_the_id_of_an_earlier_row(tmp_path: Path) -> None:
    write_folder(Order(count=5, seed=3, rows_share=1.0, has_bad_documents=True), tmp_path)
    lines = (tmp_path / "documents/rows.jsonl").read_text().splitlines()
    ids = [json.loads(line)["id"] for line in lines]
    assert len(ids) == 6
    assert ids[5] == ids[0]


def test_without_bad_documents_every_gold_row_has_an_answer(tmp_path: Path) -> None:
    write_folder(Order(count=5, seed=3), tmp_path)
    lines = (tmp_path / "gold.jsonl").read_text().splitlines()
    assert [json.loads(line)["error"] for line in lines] == [None] * 5
