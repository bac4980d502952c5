"""What is computed from a text alone: language, layout, patterns."""

from __future__ import annotations

import time

import pytest

from pipeline.routing.language import LANGUAGES, _identifier, language_of
from pipeline.routing.layout import Layout, layout_of
from pipeline.routing.patterns import InvalidPatternError, check_pattern, is_found

TEXTS = {
    "en": "The tenant shall pay the rent on the first day of each month, without deduction.",
    "de": "Der Mieter zahlt die Miete am ersten Tag jedes Monats ohne Abzug an den Vermieter.",
    "fr": "Le locataire paie le loyer le premier jour de chaque mois, sans aucune retenue.",
    "es": "El inquilino paga el alquiler el primer dia de cada mes, sin deduccion alguna.",
    "ja": "賃借人は毎月一日に家賃を控除なしで支払うものとします。よろしくお願いします。",
    "ru": "Арендатор платит арендную плату в первый день каждого месяца без вычетов.",
}


@pytest.mark.parametrize("code", TEXTS)
def test_a_sentence_tells_its_language(code: str) -> None:
    assert language_of(TEXTS[code]) == code


@pytest.mark.parametrize(
    "text",
    ["", "Invoice", "4711 99.00 / 12-08", "Rechnung Nr. 4711", "Total EUR, SKU ABC x 12", "\ud800"],
)
def test_a_text_that_tells_too_little_has_no_language(text: str) -> None:
    assert language_of(text) is None


def test_only_the_beginning_of_a_text_tells_its_language() -> None:
    assert language_of(TEXTS["de"] * 60 + TEXTS["en"] * 600) == "de"


def test_the_codes_are_those_of_the_model() -> None:
    assert {*LANGUAGES, "zxx"} == set(_identifier().labels)  # zxx: no language at all


@pytest.mark.parametrize(
    "row", ["a\tb\tc", "a | b | c", "| a | b | c |", "a|b|c", "name   price   total", "x \t y  z"]
)
def test_lines_of_three_cells_are_table_lines(row: str) -> None:
    assert layout_of(f"{row}\n\nA plain line, with words.\n").table_lines == 0.5


@pytest.mark.parametrize("row", ["a b c", "Total:   99", "a | b", "    indented line", "", "a\tb"])
def test_lines_of_fewer_cells_are_not(row: str) -> None:
    assert layout_of(row).table_lines == 0


def test_shares_are_of_what_is_not_blank() -> None:
    assert layout_of(" 12 ab \n\n \n c \n") == Layout(lines=2, digits=0.4, table_lines=0)
    assert layout_of(" \n") == Layout(0, 0.0, 0.0)


def test_a_line_of_blanks_takes_time_in_proportion_to_it() -> None:
    started_s = time.perf_counter()
    layout_of("x" + " " * 2_000_000 + "y")
    assert time.perf_counter() - started_s < 5


@pytest.mark.parametrize("pattern", ["(", "[", "(?=a)", r"(a)\1"])
def test_a_pattern_that_cannot_be_searched_for_is_refused(pattern: str) -> None:
    with pytest.raises(InvalidPatternError):
        check_pattern(pattern)


def test_a_pattern_that_hangs_elsewhere_takes_linear_time() -> None:
    started_s = time.perf_counter()
    assert not is_found("^(a+)+$", "a" * 100_000 + "b")
    assert time.perf_counter() - started_s < 5


def test_half_a_surrogate_pair_is_searched_like_any_character() -> None:
    assert is_found("after", "before \ud800 after")
