import io

import pytest
from reportlab.lib.pdfencrypt import StandardEncryption
from reportlab.pdfgen.canvas import Canvas

from pipeline.failures import Code, Failure
from pipeline.loaders.pdf import pdf_text


def pdf(*pages: list[str], password: str | None = None, owner: str | None = None) -> bytes:
    """A PDF with these lines on its pages."""
    data = io.BytesIO()
    encrypt = None
    if password is not None or owner is not None:
        encrypt = StandardEncryption(password or "", ownerPassword=owner, strength=128)
    canvas = Canvas(data, encrypt=encrypt)
    for lines in pages:
        for number, line in enumerate(lines):
            canvas.drawString(72, 760 - 20 * number, line)
        canvas.showPage()
    canvas.save()
    return data.getvalue()


def code_of(result: str | Failure) -> Code:
    assert isinstance(result, Failure), result
    return result.code


def test_pages_are_joined_by_a_blank_line() -> None:
    assert pdf_text(pdf(["Invoice 7", "Total 12.50"], ["Page two"])) == (
        "Invoice 7\nTotal 12.50\n\nPage two"
    )


def test_a_pdf_with_a_password_is_encrypted_and_one_with_restrictions_only_is_read() -> None:
    assert code_of(pdf_text(pdf(["secret"], password="p"))) is Code.ENCRYPTED_PDF
    assert pdf_text(pdf(["open"], owner="o")) == "open"


@pytest.mark.parametrize("damaged", [b"", b"not a PDF", b"%PDF-1.4\n", pdf(["x"])[:300]])
def test_what_cannot_be_opened_is_broken(damaged: bytes) -> None:
    assert code_of(pdf_text(damaged)) is Code.BROKEN_PDF


def test_a_page_without_text_is_called_scanned() -> None:
    result = pdf_text(pdf([], []))
    assert code_of(result) is Code.EMPTY_TEXT
    assert isinstance(result, Failure)
    assert "scanned" in result.reason


def test_handles_are_closed_after_good_and_bad_files(monkeypatch: pytest.MonkeyPatch) -> None:
    import pypdfium2

    opened: list[pypdfium2.PdfDocument] = []
    real = pypdfium2.PdfDocument

    def recording(data: bytes) -> pypdfium2.PdfDocument:
        opened.append(real(data))
        return opened[-1]

    monkeypatch.setattr(pypdfium2, "PdfDocument", recording)
    pdf_text(pdf(["x"]))
    pdf_text(pdf([]))
    assert [document.raw for document in opened] == [None, None]
