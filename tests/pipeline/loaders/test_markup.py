import codecs

import pytest

from pipeline.failures import Code, Failure
from pipeline.loaders.markup import html_text, plain_text


def text_of(result: str | Failure) -> str:
    assert isinstance(result, str), result
    return result


def code_of(result: str | Failure) -> Code:
    assert isinstance(result, Failure), result
    return result.code


@pytest.mark.parametrize(
    "data",
    [
        "Grüße\r\nWelt\r".encode(),
        codecs.BOM_UTF8 + "Grüße\nWelt\r".encode(),
        codecs.BOM_UTF16_LE + "Grüße\r\nWelt\r".encode("utf-16-le"),
        codecs.BOM_UTF16_BE + "Grüße\nWelt\r".encode("utf-16-be"),
    ],
)
def test_plain_text_is_decoded_by_its_mark_and_only_crlf_changes(data: bytes) -> None:
    assert plain_text(data) == "Grüße\nWelt\r"


def test_undecodable_text_names_the_byte_with_the_mark_counted() -> None:
    for data, at in ((b"ab\xff\xfe", 2), (codecs.BOM_UTF8 + b"abc\x80", 6)):
        result = plain_text(data)
        assert code_of(result) is Code.UNDECODABLE
        assert isinstance(result, Failure)
        assert f"at byte {at}" in result.reason
    assert code_of(plain_text(codecs.BOM_UTF16_LE + b"a\x00b")) is Code.UNDECODABLE


def test_blocks_end_lines_and_inline_elements_do_not() -> None:
    page = b"<html><head><title>T</title></head><body><h1>A</h1><p>b <b>c</b>d</p>e<div>f</div>g"
    assert html_text(page) == "T\nA\nb cd\ne\nf\ng"


def test_blanks_run_together_as_in_a_browser_but_not_in_pre() -> None:
    assert html_text(b"<p>a\n   b <i> c</i>&nbsp;d </p><pre>x\n  y</pre>") == "a b c d\nx\n  y"


def test_cells_of_a_row_are_joined_by_two_spaces() -> None:
    page = b"""<table>
      <tr><th>Item</th> <th>Price</th></tr>
      <tr><td><p>Bolt</p></td><td> 1.20 </td></tr>
      <tr><td></td><td>x</td></tr>
    </table>after"""
    assert html_text(page) == "Item  Price\nBolt  1.20\n  x\nafter"


def test_a_table_in_a_cell_keeps_its_lines() -> None:
    page = b"<table><tr><td><table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table></td>"
    assert html_text(page) == "a  b\nc"


def test_breaks_make_blank_lines_and_runs_of_them_become_one() -> None:
    assert html_text(b"a<br><br><br> <br>b<br>c") == "a\n\nb\nc"


def test_script_style_template_and_comments_are_no_text() -> None:
    page = b"a<script>var x='<p>no</p>'</script><style>p{}</style><template>t</template><!-- c -->b"
    assert html_text(page) == "ab"


@pytest.mark.parametrize(
    ("charset", "codec"),
    [("iso-8859-2", "iso-8859-2"), ("shift_jis", "shift_jis"), ("latin-1", "windows-1252")],
)
def test_the_declared_charset_counts(charset: str, codec: str) -> None:
    word = {"iso-8859-2": "łódź", "shift_jis": "日本語", "windows-1252": "“café”"}[codec]
    page = f'<meta charset="{charset}"><p>{word}</p>'.encode(codec)
    assert html_text(page) == word


def test_without_a_charset_a_page_is_utf8_or_undecodable() -> None:
    assert html_text("<p>é</p>".encode()) == "é"
    assert html_text(codecs.BOM_UTF8 + "<p>é</p>".encode()) == "é"
    assert code_of(html_text("<p>é</p>".encode("latin-1"))) is Code.UNDECODABLE
    assert code_of(html_text(b'<meta charset="klingon"><p>x')) is Code.UNDECODABLE


def test_xhtml_and_a_page_that_looks_like_a_path_are_read_without_a_warning() -> None:
    page = b'<?xml version="1.0" encoding="utf-8"?><html xmlns="http://www.w3.org/1999/xhtml"><p>x'
    assert html_text(page) == "x"
    assert html_text(b"readme.txt") == "readme.txt"


def test_deep_nesting_costs_no_stack() -> None:
    assert "x" in text_of(html_text(b"<div>" * 5000 + b"x"))
    assert html_text(b"<table><tr><td>" * 200 + b"x") == "x"
