"""The prompt of a document: a sandboxed Jinja template over its text and fields.

In a template, `{{ text }}` is the document's text, `{{ name }}` its field of that name, and
`{{ fields["any name"] }}` the same for names that are no identifiers.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from jinja2 import TemplateError, meta

from pipeline.documents import Document
from pipeline.preparing.literal import ControlWords
from pipeline.preparing.template_limits import BoundedEnvironment, TemplateLimitError

NO_WORDS = ControlWords()


class InvalidTemplateError(ValueError):
    """The template itself is wrong; the message names the line."""


class RenderError(Exception):
    """The template fails on one document."""


@dataclass(frozen=True)
class Prompt:
    """What every document is asked."""

    system: str | None
    template: str

    def variables(self) -> frozenset[str]:
        """The variables that the template takes from a document; InvalidTemplateError."""
        return _compiled(self.template).variables

    def render(self, document: Document, words: ControlWords = NO_WORDS) -> tuple[str | None, str]:
        """The system prompt and the user's text; RenderError (InvalidTemplateError).

        Of `words`, those that come from the document are marked as plain text (literal.py).
        """
        return self.system, self.render_values(document.text, document.fields, words)

    def render_values(
        self, text: str, fields: Mapping[str, object], words: ControlWords = NO_WORDS
    ) -> str:
        """The template over a text and fields; `text` and `fields` win over fields so named."""
        return words.guarded(_compiled(self.template).render(text, fields))


@lru_cache(maxsize=32)
def _compiled(template: str) -> "_Compiled":
    return _Compiled(template)


class _Compiled:
    """A template ready to render; one per process and template, since compiling takes long."""

    def __init__(self, template: str) -> None:
        self._environment = BoundedEnvironment()
        try:
            tree = self._environment.parse(template)
            self._template = self._environment.from_string(template)
        except TemplateError as error:
            line = getattr(error, "lineno", None)
            where = f" (line {line})" if line else ""
            raise InvalidTemplateError(f"{error.message or error}{where}") from error
        found = frozenset(meta.find_undeclared_variables(tree))
        self.variables = found - set(self._environment.globals)

    def render(self, text: str, fields: Mapping[str, object]) -> str:
        values = {**fields, "text": text, "fields": dict(fields)}
        try:
            with self._environment.bounded():
                return self._template.render(values)
        except (TemplateError, TemplateLimitError) as error:
            raise RenderError(str(error)) from error
        except (ValueError, LookupError, TypeError, ArithmeticError, AttributeError) as error:
            raise RenderError(f"{type(error).__name__}: {error}") from error
        except (RecursionError, MemoryError) as error:
            raise RenderError(f"the template needs too much: {type(error).__name__}") from error
