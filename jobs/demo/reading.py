"""File bytes to text by the pipeline's own loaders, so that training sees what a job will see.

Boundary: good files only.
Invariant: a generated file that a loader refuses is an error here, never an empty text.
"""

from jobs.demo.render import Format
from pipeline.failures import Failure
from pipeline.loaders.markup import html_text, plain_text
from pipeline.loaders.pdf import pdf_text

_LOADERS = {
    Format.TXT: plain_text,
    Format.MD: plain_text,
    Format.HTML: html_text,
    Format.PDF: pdf_text,
}


class UnreadableError(ValueError):
    """A generated document that the pipeline cannot read: the generator is wrong."""


def read(content: bytes, format_: Format) -> str:
    """The text of a good file."""
    text = _LOADERS[format_](content)
    if isinstance(text, Failure):
        raise UnreadableError(f"a generated {format_} file is refused: {text}")
    return text
