"""What each tier is asked, where it does not fit, and where rules let a document start."""

from collections.abc import Iterator
from pathlib import Path

from pipeline.documents import Document
from pipeline.preparing.fitting import fit_documents
from pipeline.preparing.prompts import Prompt
from pipeline.preparing.tokens import TierTokens
from pipeline.routing.conditions import FieldIs, Measured, Within
from pipeline.routing.rules import Rule, Rules
from tests.pipeline.planned import source_of
from tests.pipeline.prepare_builders import ASK, Letters, codes_of, prepared, tiers_of


def test_each_tier_asks_its_own_prompt(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"text":"abcdef","n":1}\n')
    own = Prompt(None, "{{ text[:2] }} {{ n }}")
    tiers = [TierTokens("all", ASK, Letters(), 99), TierTokens("start", own, Letters(), 99)]
    [one] = prepared(source_of(tmp_path), tiers=tiers)
    asked = {name: "".join(map(chr, ids)) for name, ids in one.prompts.items()}
    assert asked == {"all": "Be brief.\n\nSum up: abcdef", "start": "\n\nab 1"}


def test_a_document_fails_only_when_no_tier_can_be_asked(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(
        '{"text":"a","n":{"x":1}}\n{"text":"b"}\n{"text":"%s"}\n' % ("c" * 90)
    )
    picky, small = Prompt(None, "{{ n.x }}{{ text }}"), Prompt(None, "{{ text }}")
    tiers = [TierTokens("picky", picky, Letters(), 999), TierTokens("small", small, Letters(), 50)]
    found = prepared(source_of(tmp_path), tiers=tiers)
    assert [sorted(one.prompts) for one in found] == [["picky", "small"], ["small"], []]
    assert codes_of(found) == [None, None, "too_long"]


def test_rules_choose_the_start_by_the_length_of_the_first_tiers_prompt(tmp_path: Path) -> None:
    texts = ["x" * 5, "x" * 50, "x" * 70, "x" * 2_000_000]
    (tmp_path / "a.csv").write_text("text\n" + "".join(f"{text}\n" for text in texts))
    tiers = [
        TierTokens("tier0", Prompt(None, "{{ text }}"), Letters(), 60),
        TierTokens("tier1", Prompt(None, "{{ text[:9] }}"), Letters(), 60),
    ]
    long = Rule("long", (Measured("tokens", Within(below=None, above=40)),), "tier1")
    found = prepared(source_of(tmp_path), tiers=tiers, rules=Rules((long,), "tier0"))
    assert [(one.start, one.rule) for one in found] == [
        ("tier0", None),
        ("tier1", "long"),
        ("tier1", "long"),  # it does not fit tier0, but is counted there
        ("tier1", "long"),  # counted by its beginning
    ]
    assert [sorted(one.prompts) for one in found[1:]] == [["tier0", "tier1"], ["tier1"], ["tier1"]]


def test_fields_of_rules_and_gold_answers_are_read_though_no_prompt_uses_them(
    tmp_path: Path,
) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = tmp_path / "a.parquet"
    columns = {"id": [1, 2, 3], "kind": ["x", "y", "x"], "right": [None, "a", "3"]}
    pq.write_table(pa.table({**columns, "text": ["t"] * 3}), path)
    rule = Rule("kinds", (FieldIs("kind", ("x",)),), "tier0")
    found = prepared(
        source_of(path, id_field="id"), rules=Rules((rule,), "tier9"), gold_field="right"
    )
    assert [one.start for one in found] == ["tier0", "tier9", "tier0"]
    assert [one.gold for one in found] == [None, "a", "3"]


def test_an_error_row_starts_nowhere(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(" ")
    [one] = prepared(source_of(tmp_path), rules=Rules((), "tier0"))
    assert (codes_of([one]), one.start) == (["empty_text"], None)


def test_huge_documents_are_not_held_together(tmp_path: Path) -> None:
    taken: list[int] = []

    def documents() -> Iterator[Document]:
        for number in range(9):
            taken.append(number)
            text = "x" * 3_000_000
            yield Document(number, str(number), text, {}, (), "memory://d", number)

    first = next(fit_documents(documents(), tiers_of(1000)))
    assert first.failure is not None
    assert len(taken) == 2
