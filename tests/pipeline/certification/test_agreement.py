"""Losses between two answers, worked out by hand."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.certification.agreement import (
    LOSSES,
    UserLoss,
    against_reference,
    loss_named,
    paired,
)
from pipeline.certification.route_errors import LossFunctionError, UnknownLossError

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.text("ab ", max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("xyz"), inner, max_size=3),
    max_leaves=8,
)


def fields(answer: Any, reference: Any) -> float:
    return LOSSES["fields"](json.dumps(answer), json.dumps(reference))


def test_white_space_and_unicode_form_make_no_difference() -> None:
    composed, decomposed = "caf\u00e9 au lait", "cafe\u0301  au\nlait "
    for name in LOSSES:
        assert LOSSES[name](composed, decomposed) == 0.0


def test_case_counts_for_exact_and_not_for_label() -> None:
    assert LOSSES["exact"]("Yes", "yes") == 1.0
    assert LOSSES["label"]("Yes", "yes") == 0.0
    assert LOSSES["label"]("yes", "no") == 1.0


@pytest.mark.parametrize(
    ("answer", "reference", "share"),
    [
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, 0.0),
        ({"a": 1, "b": 2}, {"a": 1, "b": 3}, 1 / 2),
        ({"a": 1}, {"a": 1.0}, 0.0),
        ({"a": 1}, {"a": True}, 1.0),
        ({"a": "1"}, {"a": 1}, 1.0),
        ({"a": "x  y"}, {"a": "x y"}, 0.0),
        ({"a": 1}, {"a": 1, "b": 2}, 1 / 2),
        ({"a": {"b": 1, "c": 2}, "d": 3}, {"a": {"b": 1, "c": 9}, "d": 3}, 1 / 3),
        ({"a": [1, 2, 3]}, {"a": [1, 3, 2]}, 2 / 3),
        ({"a": [1, 2]}, {"a": [1]}, 1 / 2),
        ({"a": []}, {"a": [1, 2]}, 1.0),
        ({"a": None}, {}, 1.0),
        ({"a": {"b": 1, "c": 2}}, {"a": 5}, 1.0),
        ({}, {}, 0.0),
        ([1, 2], [1, 2], 0.0),
    ],
)
def test_the_share_of_fields_that_differ(answer: Any, reference: Any, share: float) -> None:
    assert fields(answer, reference) == pytest.approx(share)
    assert fields(reference, answer) == pytest.approx(share)


@given(VALUES, VALUES)
def test_a_share_of_fields_is_symmetric_and_zero_for_the_same(one: Any, other: Any) -> None:
    assert fields(one, one) == 0.0
    assert fields(one, other) == fields(other, one)
    assert 0.0 <= fields(one, other) <= 1.0


def test_one_field_that_differs_spoils_the_document() -> None:
    answer, reference = '{"a": 1, "b": 2}', '{"a": 1, "b": 3}'
    assert LOSSES["document"](answer, reference) == 1.0
    assert LOSSES["document"](answer, '{"b": 2.0, "a": 1}') == 0.0


def test_what_is_no_json_is_compared_as_text() -> None:
    assert LOSSES["fields"]("no json", "no  json") == 0.0
    assert LOSSES["fields"]("no json", '{"a": 1}') == 1.0
    assert LOSSES["fields"]("[" * 100_000, "[" * 100_000) == 0.0


def test_similarity_is_the_edit_distance_over_the_longer_length() -> None:
    assert LOSSES["similarity"]("kitten", "sitting") == pytest.approx(3 / 7)
    assert LOSSES["similarity"]("", "") == 0.0
    assert LOSSES["similarity"]("", "abc") == 1.0


def test_a_paired_loss_lets_help_pay_for_harm() -> None:
    against = paired(LOSSES["exact"], gold="right")
    assert against("right", "right") == 0.0
    assert against("right", "wrong") == -1.0
    assert against("wrong", "right") == 1.0
    assert against("wrong", "wrong too") == 0.0


def test_no_usable_answer_is_as_bad_as_can_be_unless_the_reference_has_none_either() -> None:
    of_strong, of_gold = against_reference(LOSSES["exact"]), paired(LOSSES["exact"], "right")
    assert of_strong(None, "right") == 1.0
    assert of_strong("anything", None) == of_strong(None, None) == 0.0
    assert of_gold(None, "right") == 1.0
    assert of_gold("right", None) == -1.0
    assert of_gold(None, None) == 0.0


def test_a_function_of_ones_own_is_found_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "losses_of_mine.py").write_text("def half(answer, reference):\n    return 0.5\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert loss_named("losses_of_mine:half")("a", "b") == 0.5
    with pytest.raises(UnknownLossError, match="'losses_of_mine:whole' cannot be imported"):
        loss_named("losses_of_mine:whole")
    sys.modules.pop("losses_of_mine")


@pytest.mark.parametrize("given", [1.5, -0.1, float("nan"), "much"])
def test_a_function_that_gives_no_loss_is_named(given: object) -> None:
    with pytest.raises(LossFunctionError, match="loss mine:half"):
        UserLoss("mine:half", lambda answer, reference: given)("a", "b")


def test_a_function_that_fails_is_named_with_its_reason() -> None:
    with pytest.raises(LossFunctionError, match="loss mine:bad failed with ZeroDivisionError"):
        UserLoss("mine:bad", lambda answer, reference: 1 / 0)("a", "b")


@pytest.mark.parametrize("name", ["exactly", "", "math:", ":f", "no_such_module:f", "math:pi"])
def test_a_name_that_is_no_loss_is_refused_with_a_way_out(name: str) -> None:
    with pytest.raises(UnknownLossError, match=r"choose one of exact|check the name|name a func"):
        loss_named(name)
