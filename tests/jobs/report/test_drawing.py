"""A plot's words stay as they are, however much its coordinates are shortened."""

from __future__ import annotations

import re

from jobs.report.drawing import Axes, drawn


def test_small_numbers_on_an_axis_are_not_cut_off() -> None:
    def paint(axes: Axes) -> None:
        axes.plot([0.0004, 0.0016], [0.123456, 0.654321])
        axes.set_xticks([0.0004, 0.0016])

    svg = str(drawn("small", "small numbers", paint))
    words = set(re.findall(r">([^<>]+)<", svg))
    assert {"0.0004", "0.0016"} <= {one.strip() for one in words}
    assert not re.search(r'="[^"]*\d\.\d{3,}', svg)
