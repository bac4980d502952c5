"""`gleaner explain`: where documents start and why, read from the documents alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import jobs
from jobs.cli.main import app
from jobs.exit_codes import Exit

MODELS = Path(jobs.__file__).parent / "demo" / "models"
JOB = f"""
name: x
input: {{uri: d.jsonl, id_field: id}}
task: {{prompt: "{{{{ text }}}}", sampling: {{max_tokens: 64}}}}
tiers:
  - {{name: small, model: {MODELS}/small, engine: {{max_model_len: 128, max_num_seqs: 8}}}}
  - name: picky
    model: {MODELS}/small
    prompt: "{{{{ text }}}} {{{{ n }}}}"
    engine: {{max_model_len: 1024}}
  - {{name: large, model: {MODELS}/large, engine: {{max_model_len: 1024}}}}
route:
  policy: rules
  rules:
    - {{when: {{field: {{lang: fr, year: {{above: 2020}}}}}}, tier: large, name: recent French}}
    - {{when: {{contains: [urgent, asap]}}, tier: picky}}
output: out
"""
DOCUMENTS = [
    {"id": "z", "text": "word " * 60, "lang": "fr", "year": 2020},
    {"id": "b", "text": "Answer asap", "n": 1},
    {"id": "c", "text": "plain", "lang": "fr", "year": "2021"},
    {"id": "d", "text": ""},
    {"id": "e", "text": "plain"},
]


@pytest.fixture
def job(tmp_path: Path) -> Path:
    (tmp_path / "d.jsonl").write_text("".join(json.dumps(one) + "\n" for one in DOCUMENTS))
    (tmp_path / "job.yaml").write_text(JOB)
    return tmp_path / "job.yaml"


def explain(job: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["explain", str(job), *arguments])


def test_documents_come_in_input_order_with_their_start_rule_and_misfits(job: Path) -> None:
    found = json.loads(explain(job, "--json").stdout.splitlines()[-1])
    assert [(one["id"], one["start"], one["rule"]) for one in found["documents"]] == [
        ("z", "small", None),
        ("b", "picky", "rule 2"),
        ("c", "large", "recent French"),
        ("d", None, None),
        ("e", "small", None),
    ]
    assert [sorted(one["misfits"]) for one in found["documents"]][:3] == [
        ["picky", "small"],
        [],
        ["picky"],
    ]
    assert found["start"] == {"small": 2, "picky": 1, "large": 1, "error": 1}
    assert found["rule"] == {"no rule": 2, "rule 2": 1, "recent French": 1}
    assert found["does_not_fit"] == {"small": 1, "picky": 3}


def test_people_read_the_facts_and_the_totals(job: Path) -> None:
    words = explain(job, "--limit", "4").stdout
    assert "c: large - recent French: field lang fr (one of fr); field year 2021 (above 2020)" in (
        words
    )
    assert "d: error - empty_text: field 'text' is empty" in words
    assert "    field lang fr; field year 2020; text without the words" in words
    assert "start: small 1, picky 1, large 1, error 1" in words
    assert "\ne: " not in words


def test_one_document_shows_why_each_earlier_rule_did_not_match(job: Path) -> None:
    lines = explain(job, "--document", "b").stdout.splitlines()
    assert lines[0] == "b: picky - rule 2: text contains asap (one of urgent, asap)"
    assert lines[-5:] == [
        "recent French (large) does not match",
        "    no  field lang missing (one of fr)",
        "    no  field year missing (above 2020)",
        "rule 2 (picky) matches",
        "    yes text contains asap (one of urgent, asap)",
    ]
    assert "rule 2" not in explain(job, "--document", "c").stdout  # it comes after the one


def test_a_document_that_is_not_there_is_said_so(job: Path) -> None:
    missing = explain(job, "--document", "y")
    assert missing.exit_code == Exit.BAD_USAGE
    assert "no document has the id y" in missing.stderr
    assert explain(job, "--document", "e", "--limit", "4").exit_code == Exit.BAD_USAGE


def test_without_rules_documents_start_at_the_first_tier_of_the_route(job: Path) -> None:
    job.write_text(JOB.split("route:")[0] + "route: large\noutput: out\n")
    found = json.loads(explain(job, "--json", "--limit", "1").stdout.splitlines()[-1])
    [one] = found["documents"]
    assert (one["start"], one["reason"], one["misfits"]) == ("large", "the route has no rules", {})


def test_a_field_that_no_document_has_is_refused_before_anything_is_read(job: Path) -> None:
    job.write_text(JOB.replace("lang: fr", "lnag: fr"))
    refused = explain(job)
    assert refused.exit_code == Exit.BAD_USAGE
    assert (
        "route.rules[0].when.field: no document has this field (lnag) - did you mean lang?"
        in refused.stderr
    )
