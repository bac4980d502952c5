"""Certificates from tables: as a command, from Python, and what is refused."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import csv, parquet
from typer.testing import CliRunner, Result

from jobs.calibrate import calibrate
from jobs.calibrate_table import Columns, read_table
from jobs.cli.main import app
from pipeline.certification.certificate import read_certificate
from pipeline.certification.certify import Promise
from pipeline.certification.route_errors import RouteError

PROMISE = Promise(within=0.02, confidence=0.95)
GUIDE = Path(__file__).parents[2] / "docs" / "cascades.md"


def table(rows: int = 1500, *, error: float = 0.2, seed: int = 5) -> Any:
    luck = np.random.default_rng(seed)
    wrong = luck.random(rows) < error
    side = np.where(wrong, -1.0, 1.0)
    return pa.table(
        {
            "p": 1 / (1 + np.exp(-luck.normal(2 * side))),
            "margin": luck.normal(side),
            "small": np.where(wrong, "no", "yes"),
            "large": ["yes"] * rows,
            "small_ok": ~wrong,
            "large_ok": luck.random(rows) < 0.9,
            "bad": wrong.astype(np.int64),
            "usd": luck.uniform(0.15, 0.25, rows),
        }
    )


def gleaner(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["calibrate", *arguments])


@pytest.fixture
def labels(tmp_path: Path) -> str:
    path = tmp_path / "labels.parquet"
    parquet.write_table(table(), path)
    return str(path)


def test_the_guides_example_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", GUIDE.read_text(), flags=re.DOTALL)
    monkeypatch.chdir(tmp_path)
    exec(compile(example, "cascades.md", "exec"), {})


def test_one_signal_is_the_score_itself() -> None:
    columns = Columns(confidence=("p",), answers=("small", "large"), costs=("usd", 1.0))
    made = calibrate(table(), columns, promise=PROMISE).certificate
    assert made.decision.kind == "cascade"
    assert made.decision.score_model is None
    assert made.decision.certified_on == 1400
    given = np.array([[0.0], [1.0]])
    assert list(made.accepts(given)) == [False, True]
    assert list(made.scores(given)) == [0.0, 1.0]


def test_several_signals_are_combined_by_a_model_that_names_them() -> None:
    columns = Columns(confidence=("p", "margin"), loss="bad", costs=(0.2, 1.0))
    made = calibrate(table(), columns, promise=PROMISE).certificate
    assert made.decision.kind == "cascade"
    assert made.decision.score_model is not None
    assert made.decision.score_model.names == made.signals == ("p", "margin")
    assert made.decision.certified_on == 1050
    assert made.loss == "column bad"


def test_the_three_ways_to_say_what_is_lost_agree() -> None:
    found = table().append_column("all_ok", pa.array([True] * 1500))
    ways = [
        Columns(confidence=("p",), loss="bad"),
        Columns(confidence=("p",), answers=("small", "large")),
        Columns(confidence=("p",), correct=("small_ok", "all_ok")),
    ]
    cuts = [calibrate(found, one, promise=PROMISE).curve for one in ways]
    shown = min(len(one) for one in cuts)
    figures = [
        [(point.cut.threshold, point.cut.mean_loss) for point in one[:shown]] for one in cuts
    ]
    assert figures[0] == figures[1] == figures[2]


def test_right_answers_are_compared_in_pairs() -> None:
    columns = Columns(confidence=("p",), correct=("small_ok", "large_ok"), costs=(0.2, 1.0))
    made = calibrate(table(error=0.02), columns, promise=PROMISE).certificate
    assert made.reference == "gold"
    assert "cheap alone is as good as strong or better" in made.decision.why


def test_a_seed_gives_one_certificate_and_the_table_one_digest() -> None:
    columns = Columns(confidence=("p",), loss="bad")
    one, two = (calibrate(table(), columns, promise=PROMISE).certificate for _ in range(2))
    other = calibrate(table(), columns, promise=PROMISE, seed=1).certificate
    assert one.decision == two.decision
    assert one.decision != other.decision
    assert one.data_digest == two.data_digest == other.data_digest
    changed = calibrate(table(seed=6), columns, promise=PROMISE).certificate
    assert changed.data_digest != one.data_digest


def test_the_order_of_a_sorted_table_does_no_harm() -> None:
    columns = Columns(confidence=("p",), loss="bad", costs=(0.2, 1.0))
    made = calibrate(table().sort_by("p"), columns, promise=PROMISE).certificate
    assert made.decision.kind == "cascade"


def test_what_has_no_confidence_or_no_answer_escalates() -> None:
    found = table()
    blank = pa.array(["" if row % 4 == 0 else "yes" for row in range(1500)])
    holes = pa.array([None if row % 4 == 1 else 1.0 for row in range(1500)])
    gappy = pa.table({"p": holes, "small": blank, "large": found["large"]})
    columns = Columns(confidence=("p",), answers=("small", "large"))
    made = calibrate(gappy, columns, promise=PROMISE)
    assert made.certificate.decision.cut is not None
    assert made.certificate.decision.cut.escalated == pytest.approx(0.5, abs=0.05)


def test_a_loss_of_whole_numbers_proves_more_than_one_of_fractions() -> None:
    found = table(error=0.1)
    fractions = found.append_column("part", found["bad"].cast(pa.float64()))
    bounds = [
        calibrate(fractions, Columns(confidence=("p",), loss=name), promise=PROMISE).curve[0]
        for name in ("bad", "part")
    ]
    assert bounds[0].cut.bound < bounds[1].cut.bound


def test_a_small_batch_that_is_nearly_all_labelled_leaves_little_to_lose() -> None:
    columns = Columns(confidence=("p",), loss="bad", costs=(0.2, 1.0))
    small = calibrate(table(400), columns, promise=PROMISE, documents=420).certificate.decision
    endless = calibrate(table(400), columns, promise=PROMISE).certificate.decision
    assert small.cut is not None
    assert endless.cut is None or endless.cut.escalated > small.cut.escalated


def test_the_command_shows_the_curve_and_writes_what_it_certified(
    labels: str, tmp_path: Path
) -> None:
    out = tmp_path / "c.json"
    given = ("--confidence", "p", "--cheap", "small", "--strong", "large", "--cheap-cost", "usd")
    result = gleaner(labels, *given, "--out", str(out), "--json")
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout.splitlines()[-1])
    assert told["certificate"]["decision"]["why"] in result.stderr
    assert "certified bound" in result.stderr
    made = read_certificate(out.read_bytes(), name=str(out))
    assert json.loads(made.to_bytes()) == told["certificate"]


def test_what_cannot_be_certified_exits_with_8_and_writes_nothing(
    labels: str, tmp_path: Path
) -> None:
    out = tmp_path / "c.json"
    given = ("--confidence", "p", "--loss", "bad", "--within", "0.0001", "--out", str(out))
    result = gleaner(labels, *given)
    assert result.exit_code == 8, result.output
    assert "labels would be needed" in result.stdout
    assert not out.exists()


def test_what_does_not_pay_exits_with_8_too(labels: str, tmp_path: Path) -> None:
    out = tmp_path / "c.json"
    given = ("--confidence", "p", "--loss", "bad", "--cheap-cost", "0.95", "--out", str(out))
    result = gleaner(labels, *given)
    assert result.exit_code == 8, result.output
    assert "x strong alone" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--loss", "nope"), "column 'nope' is not in the table: it has p,"),
        (("--loss", "small"), "column 'small' holds string: it has to hold numbers"),
        (("--loss", "margin"), "has to be between 0 and 1"),
        ((), "0 of loss, answers and correct are given"),
        (("--loss", "bad", "--cheap", "small"), "--cheap is given without --strong"),
        (("--loss", "bad", "--confidence", "p"), "name at least one column, each once"),
        (("--loss", "bad", "--documents", "10"), "10 are fewer than the 1,500 rows"),
        (("--loss", "bad", "--cheap-cost", "-1"), "a cost is a number, at least 0"),
        (("--loss", "bad", "--within", "2"), "within is 2.0"),
        (
            ("--cheap", "small", "--strong", "large", "--loss-function", "near"),
            "there is none named 'near'",
        ),
    ],
)
def test_what_does_not_fit_is_refused_with_a_way_out(
    labels: str, arguments: tuple[str, ...], message: str
) -> None:
    result = gleaner(labels, "--confidence", "p", *arguments)
    assert result.exit_code == 2, result.output
    assert message in result.stderr


def test_csv_parquet_and_json_lines_are_read_alike(tmp_path: Path) -> None:
    found = table(200)
    parquet.write_table(found, tmp_path / "t.parquet")
    csv.write_csv(found, tmp_path / "t.csv")
    lines = [json.dumps(row) for row in found.to_pylist()]
    (tmp_path / "t.jsonl").write_text("\n".join(lines))
    columns = Columns(confidence=("p",), loss="bad")
    made = [
        calibrate(str(tmp_path / f"t.{kind}"), columns, promise=PROMISE).certificate.data_digest
        for kind in ("parquet", "csv", "jsonl")
    ]
    assert len(set(made)) == 1


@pytest.mark.parametrize(("name", "data"), [("t.xls", b""), ("t.csv", None), ("t.parquet", b"x")])
def test_a_file_that_is_no_table_is_named(tmp_path: Path, name: str, data: bytes | None) -> None:
    if data is not None:
        (tmp_path / name).write_bytes(data)
    with pytest.raises(RouteError, match=name):
        read_table(tmp_path / name)
