"""What of a run is exported."""

import re
from dataclasses import replace

from checkpoints.result import Rework
from pipeline.interruptions import Interruptions
from pipeline.metrics import figures
from pipeline.progress import State, starting


def test_each_figure_has_a_name_that_prometheus_takes_and_its_own() -> None:
    names = [figure.name for figure in figures(starting(""))]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch("gleaner_[a-z_]+", name) for name in names)
    assert all(figure.help for figure in figures(starting("")))


def test_figures_are_those_of_the_snapshot() -> None:
    its = Interruptions(
        notices=2, restarted_documents=3, rework=Rework(documents=4, salvaged_tokens=5)
    )
    snapshot = replace(
        starting(""), state=State.WAITING_FOR_CAPACITY, documents_ok=7, interruptions=its
    )
    found = {figure.name: figure.value for figure in figures(snapshot)}
    assert found["gleaner_documents_ok"] == 7
    assert found["gleaner_interruption_notices"] == 2
    assert found["gleaner_redone_documents"] == 3 + 4
    assert found["gleaner_salvaged_tokens"] == 5
    assert found["gleaner_waiting_for_capacity"] == 1
