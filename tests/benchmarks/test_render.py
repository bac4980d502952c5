"""What was not measured again keeps its section, and each says what it was measured on."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.benchmarks.figures import plain
from tests.benchmarks.machine import Machine, read_machines, write_machine
from tests.benchmarks.render import BEGIN, END, render

MACHINE = Machine("2026-01-02", "abc", "a processor", 2, 4.0, "none", "3.11", {"ray": "2"}, False)
ORDER = ("first", "second", "third")


def test_only_the_sections_of_what_was_run_are_replaced(tmp_path: Path) -> None:
    file = tmp_path / "RESULTS.md"
    file.write_text(f"above\n{BEGIN}\n\n### third\n\nold\n\n### first\n\nstays\n\n{END}\nbelow\n")
    render([plain("third: speed", 3.0, "x")], {"third": MACHINE}, ORDER, file)
    render([plain("second: speed", 2.0, "x")], {"second": MACHINE}, ORDER, file)
    text = file.read_text()
    assert text.startswith("above\n")
    assert text.endswith("below\n")
    assert "old" not in text
    places = [text.index(words) for words in ("### first\n\nstays", "### second", "### third")]
    assert places == sorted(places)
    assert text.count("at commit abc") == 2
    render([], {}, ORDER, file)
    assert file.read_text() == text


def test_a_file_without_marks_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "RESULTS.md"
    file.write_text("nothing")
    with pytest.raises(ValueError, match="no place for tables"):
        render([], {}, ORDER, file)


def test_each_benchmark_has_its_own_machine(tmp_path: Path) -> None:
    out = tmp_path / "machine.json"
    assert read_machines(out) == {}
    write_machine("first", MACHINE, out)
    write_machine("second", MACHINE, out)
    assert read_machines(out) == {"first": MACHINE, "second": MACHINE}
