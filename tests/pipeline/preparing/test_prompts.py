import threading
import time
from collections.abc import Mapping

import pytest

from pipeline.documents import Document
from pipeline.preparing.prompts import InvalidTemplateError, Prompt, RenderError


def render(template: str, text: str = "the text", **fields: object) -> str:
    return Prompt(None, template).render_values(text, fields)


def test_text_and_fields_are_rendered_as_they_are() -> None:
    document = Document(0, "1", "<a> & 'b'", {"title": "T", "m": {"k": [1, 2]}}, (), "u", 0)
    prompt = Prompt("Be brief.", "{{ title }} {{ m.k[1] }} {{ fields['title'] }}: {{ text }}\n")
    assert prompt.render(document) == ("Be brief.", "T 2 T: <a> & 'b'\n")


def test_the_documents_text_is_never_taken_as_a_template() -> None:
    assert render("{{ text }}", "{{ 7 * 7 }} {% for %}") == "{{ 7 * 7 }} {% for %}"


def test_text_wins_over_a_field_of_that_name() -> None:
    assert Prompt(None, "{{ text }}").render_values("joined", {"text": "field"}) == "joined"


def test_variables_are_what_a_document_must_have() -> None:
    template = (
        "{% for x in items %}{{ x }}{{ loop.index }}{% endfor %}{{ text }}{{ a.b }}{{ range(2) }}"
    )
    assert Prompt(None, template).variables() == {"items", "text", "a"}


@pytest.mark.parametrize("template", ["{{ text", "{% for x %}", "{{ text | nonsense }}"])
def test_a_wrong_template_is_refused_with_its_line(template: str) -> None:
    with pytest.raises(InvalidTemplateError, match="line 2"):
        Prompt(None, f"first\n{template}").variables()


@pytest.mark.parametrize(
    "template",
    ["{{ absent }}", "{{ m.absent }}", "{{ text.nothing() }}", "{{ 1 / 0 }}", "{{ m + 1 }}"],
)
def test_a_template_that_fails_on_a_document_says_why(template: str) -> None:
    with pytest.raises(RenderError) as caught:
        render(template, m={})
    assert str(caught.value)


@pytest.mark.parametrize(
    "template",
    [
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ ''['__class__'] }}",
        "{{ text|attr('__class__') }}",
        "{{ '{0.__class__}'.format(text) }}",
        "{{ text.__init__.__globals__ }}",
        "{{ range.__self__ }}",
        "{{ self.__init__ }}",
        "{{ self._TemplateReference__context }}",
        "{{ cycler.__init__.__globals__.os.system('true') }}",
        "{{ joiner.__class__ }}",
        "{{ [].append(1) }}",
        "{{ fields.update({'a': 1}) }}",
        "{{ fields.__setitem__('a', 1) }}",
        "{{ (g() for g in []).gi_frame }}",
        "{% include '/etc/passwd' %}",
        "{% import 'os' as os %}{{ os }}",
        "{{ config }}",
        "{% set x = ''.join %}{{ x.__func__ }}",
        "{{ lipsum.__globals__['os'] }}",
        "{{ ['']|map(attribute='__class__')|first }}",
        "{{ '{0.__class__}'|format(text) }}{{ '%(__class__)s'|format(text) }}",
    ],
)
def test_the_sandbox_keeps_templates_away_from_python(template: str) -> None:
    with pytest.raises((RenderError, InvalidTemplateError)):
        render(template)


@pytest.mark.parametrize(
    "template",
    [
        "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
        "{% macro f(n) %}{{ f(n) }}{% endmacro %}{{ f(1) }}",
        "{% macro f(n) %}{% if n %}{{ f(n - 1) ~ f(n - 1) }}{% endif %}{% endmacro %}{{ f(60) }}",
        "{% for x in [[1]] recursive %}{{ loop([[1]]) }}{{ loop([[1]]) }}{% endfor %}",
        "{{ 'x' * 10**9 }}",
        "{{ [0] * 10**9 }}",
        "{{ 9**(9**9) }}",
        "{{ '%1000000000d' % 1 }}",
        "{{ '%*d' % (1000000000, 1) }}",
        "{{ '%1000000000d'|format(1) }}",
        "{{ '{:1000000000}'.format(1) }}",
        "{{ 'x'.ljust(10**9) }}",
        "{{ 'x'|center(10**9) }}",
        "{{ 'x'|indent(10**9, true) }}",
        "{{ 'x\n'|indent(width=10**9, first=true) }}",
        "{{ ('x' * 10000)|replace('x', 'y' * 10000) }}",
        "{{ ('x' * 10000).replace('x', 'y' * 10000) }}",
        "{{ ('x' * 10000)|replace(new='y' * 10000, old='x') }}",
        "{{ ('x' * 10000).join(['y'] * 10000) }}",
        "{{ (['y'] * 10000)|join('x' * 10000) }}",
        "{{ (['y'] * 10000)|join(d='x' * 10000) }}",
        "{% set n = namespace(s='x') %}{% for i in range(40) %}{% set n.s=n.s + n.s %}{% endfor %}",
        "{% set n = namespace(s='x') %}{% for i in range(40) %}{% set n.s=n.s ~ n.s %}{% endfor %}",
        "{% set n = namespace(s='xxxx') %}{% for i in range(40) %}"
        "{% set n.s %}{{ n.s }}{{ n.s }}{% endset %}{% endfor %}",
        "{% for i in range(99999) %}{{ 'x' * 1000 }}{% endfor %}",
        "{% for i in range(99999) %}" + "x" * 1000 + "{% endfor %}",
        "{{ lipsum(n=100000, html=false) }}",
    ],
)
def test_no_template_runs_away(template: str) -> None:
    outcome: list[BaseException | str] = []

    def attempt() -> None:
        try:
            outcome.append(render(template)[:100])
        except BaseException as error:  # noqa: BLE001 - judged below, in the main thread
            outcome.append(error)

    started_s = time.monotonic()
    thread = threading.Thread(target=attempt, daemon=True)
    thread.start()
    thread.join(timeout=20)
    assert outcome, "still running"
    assert isinstance(outcome[0], (RenderError, InvalidTemplateError)), outcome
    assert time.monotonic() - started_s < 15


def test_ordinary_templates_meet_no_bound() -> None:
    page = "word " * 200_000
    assert render("{{ text }}", page) == page
    assert render("{{ text|replace('word', 'w')|length }}", page) == str(2 * 200_000)
    assert render("{{ text.replace('a', 'b') }}{{ ', '.join(['x', 'y']) }}", "aa") == "bbx, y"
    assert (
        render(
            "{{ ['a', 'b']|join(', ') }}|{{ items|join(', ', attribute='n') }}",
            items=[{"n": 1}, {"n": 2}],
        )
        == "a, b|1, 2"
    )
    assert render(
        "{{ '%.2f'|format(2.5) }} {{ '%5d' % 3 }} {{ 2 ** 10 }} {{ 'a' ~ 1 ~ none }}"
    ) == ("2.50     3 1024 a1None")
    assert render("{{ text|indent(2, true) }} {{ 'x'|center(5) }}", "a\nb") == "  a\n  b   x  "
    assert render("{% for i in range(3) %}{{ loop.index }}{% else %}none{% endfor %}") == "123"
    assert render("{{ x|default('none') }} {{ fields.get('x', '-') }}") == "none -"
    assert render("{% macro m(a) %}<{{ a }}>{% endmacro %}{{ m(1) }}{{ m(2) }}") == "<1><2>"
    assert (
        render(
            "{% call(x) m() %}{{ x }}{% endcall %}".replace(
                "{% call", "{% macro m() %}[{{ caller(1) }}]{% endmacro %}{% call", 1
            )
        )
        == "[1]"
    )
    assert (
        render("{% for k, v in fields|dictsort %}{{ k }}={{ v }};{% endfor %}", b=1, a=2)
        == "a=2;b=1;"
    )
    assert render("{{ fields|tojson }}", a="é<") == '{"a": "\\u00e9\\u003c"}'


def test_bounds_are_fresh_for_every_document() -> None:
    prompt = Prompt(None, "{% for i in range(30000) %}{{ text }}{% endfor %}")
    fields: Mapping[str, object] = {}
    for _ in range(8):
        assert len(prompt.render_values("x" * 20, fields)) == 600_000
