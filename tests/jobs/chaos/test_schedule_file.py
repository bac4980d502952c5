"""Schedule files: what people may write, and what they are told when it makes no sense."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.spot.schedule import DRIVER, Moment, Outage
from jobs.chaos.schedule_file import parse_moment, read_schedule
from jobs.spec.errors import SpecError


def written(folder: Path, text: str) -> Path:
    file = folder / "mine.yaml"
    file.write_text(text)
    return file


def test_outages_may_be_written_in_any_order_and_for_several_nodes(tmp_path: Path) -> None:
    text = """
outages:
  - {at: 60%, node: all, back: 10}
  - {at: 30%, node: 2, notice: 20, dies: 3, back: 8}
  - {at: 30% + 5, node: [1, 3]}
  - {at: 12.5, node: driver, back: 0}
"""
    schedule = read_schedule(written(tmp_path, text), nodes=3)
    assert schedule.name == "mine"
    assert schedule.outages == (
        Outage(Moment(after_s=12.5), DRIVER, back_after_s=0.0),
        Outage(Moment(0.3), 2, 20.0, 3.0, 8.0),
        Outage(Moment(0.3, 5.0), 1),
        Outage(Moment(0.3, 5.0), 3),
        Outage(Moment(0.6), 1, back_after_s=10.0),
        Outage(Moment(0.6), 2, back_after_s=10.0),
        Outage(Moment(0.6), 3, back_after_s=10.0),
    )


@pytest.mark.parametrize(
    ("at", "moment"),
    [
        ("30%", Moment(0.3)),
        ("2.5 %", Moment(0.025)),
        ("60", Moment(after_s=60)),
        ("60s", Moment(after_s=60)),
        (7, Moment(after_s=7)),
        ("30% + 5", Moment(0.3, 5)),
        ("30%+5s", Moment(0.3, 5)),
    ],
)
def test_a_moment_reads_as_it_is_written(at: str | float, moment: Moment) -> None:
    assert parse_moment(at) == moment


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("outages: []", "outages: has too few entries"),
        ("outages: [{at: 30%, nod: 1}]", "did you mean node?"),
        ("outages: [{at: soon, node: 1}]", "outages[0]: at is 'soon': write 30%, 60 or 30% + 5"),
        ("outages: [{at: '', node: 1}]", "write 30%, 60 or 30% + 5"),
        ("outages: [{at: 120%, node: 1}]", "below 100 %"),
        ("outages: [{at: 30%, node: 1, notice: 5, dies: 9}]", "outages[0]: node 1 at 30%: dies"),
        ("outages: [{at: 30%, node: driver, notice: 5, back: 0}]", "driver gets no notice"),
        ("outages: [{at: 30%, node: 4}]", "there are nodes 1 to 3"),
        ("outages: [{at: 30%, node: 1, notice: -1}]", "outages[0].notice: is too low"),
        ("nonsense", "holds no fields"),
    ],
)
def test_what_makes_no_sense_is_named(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(SpecError) as caught:
        read_schedule(written(tmp_path, text), nodes=3)
    assert words in str(caught.value)
