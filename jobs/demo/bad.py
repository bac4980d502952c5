"""Deliberately bad documents, one for each way in which a document can be refused.

Boundary: bytes and the error code expected; the codes' meaning belongs to the pipeline.
Invariant: the bytes depend on nothing random; each document is bad in exactly one way.
"""

import io
from dataclasses import dataclass
from enum import StrEnum

from reportlab.lib.pagesizes import A4
from reportlab.lib.pdfencrypt import StandardEncryption
from reportlab.pdfgen.canvas import Canvas

_LONG_LINE = "Item 4711, quantity 12, price 99.50, delivered in full and without any damage.\n"
_LONG_LINES = 400


class Fault(StrEnum):
    """The pipeline's error code for each bad document."""

    EMPTY_TEXT = "empty_text"
    UNDECODABLE = "undecodable"
    ENCRYPTED_PDF = "encrypted_pdf"
    BROKEN_PDF = "broken_pdf"
    DUPLICATE_ID = "duplicate_id"
    TOO_LONG = "too_long"


@dataclass(frozen=True)
class BadFile:
    """A file that no loader or model can take."""

    name: str
    content: bytes
    fault: Fault


def bad_files() -> tuple[BadFile, ...]:
    """One file per fault that a file can have; a duplicate id takes two rows of a jsonl file."""
    return (
        BadFile("empty.txt", b" \n\n", Fault.EMPTY_TEXT),
        BadFile("undecodable.txt", b"Invoice \x81\x8d\xff for caf\xe9\n", Fault.UNDECODABLE),
        BadFile("encrypted.pdf", _encrypted_pdf(), Fault.ENCRYPTED_PDF),
        BadFile("broken.pdf", b"%PDF-1.4\n1 0 obj\n<< /Type /Cata", Fault.BROKEN_PDF),
        BadFile("long.txt", (_LONG_LINE * _LONG_LINES).encode(), Fault.TOO_LONG),
    )


def _encrypted_pdf() -> bytes:
    buffer = io.BytesIO()
    lock = StandardEncryption("unknown-password", strength=128)
    canvas = Canvas(buffer, pagesize=A4, encrypt=lock, invariant=True)
    canvas.drawString(72, 720, "Nobody can read this without the password.")
    canvas.save()
    return buffer.getvalue()
