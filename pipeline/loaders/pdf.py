"""Text of PDF files by pypdfium2: page texts with LF, joined by a blank line, stripped."""

import threading

import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c

from pipeline.failures import Code, Failure, failure

_PDFIUM = threading.Lock()  # PDFium is not thread-safe


def pdf_text(data: bytes) -> str | Failure:
    """The text of a PDF, or why it has none; all handles of PDFium are closed on return."""
    with _PDFIUM:
        try:
            document = pdfium.PdfDocument(data)
        except pdfium.PdfiumError as error:
            return _cannot_open(error)
        try:
            return _text_of(document)
        finally:
            document.close()


def _text_of(document: pdfium.PdfDocument) -> str | Failure:
    texts = []
    pages = len(document)
    for number in range(pages):
        try:
            page = document[number]
        except pdfium.PdfiumError as error:
            reason = f"page {number + 1} of {pages} cannot be read: {error}"
            return failure(Code.BROKEN_PDF, reason)
        try:
            textpage = page.get_textpage()
            try:
                texts.append(textpage.get_text_range().replace("\r\n", "\n"))
            finally:
                textpage.close()
        except pdfium.PdfiumError as error:
            reason = f"the text of page {number + 1} of {pages} cannot be read: {error}"
            return failure(Code.BROKEN_PDF, reason)
        finally:
            page.close()
    text = "\n\n".join(texts).strip()
    if not text:
        reason = f"none of the {pages} pages holds text: the PDF is probably scanned (needs OCR)"
        return failure(Code.EMPTY_TEXT, reason)
    return text


def _cannot_open(error: pdfium.PdfiumError) -> Failure:
    code = getattr(error, "err_code", None)
    if code in (pdfium_c.FPDF_ERR_PASSWORD, pdfium_c.FPDF_ERR_SECURITY):
        return failure(Code.ENCRYPTED_PDF, "the PDF needs a password to open")
    return failure(Code.BROKEN_PDF, f"the PDF cannot be opened: {error}")
