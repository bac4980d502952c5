"""Plots as SVG that stands inside a page: the one place that knows Matplotlib.

Boundary: figures in, markup out. Colours are names, which the page's style sheet fills in, so that
one drawing suits light and dark; text stays text, in the page's own font.
Invariant: the markup names nothing outside itself, and the same figure gives the same markup.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from html import escape
from typing import Any

import matplotlib as mpl
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

__all__ = ["BAD", "FAINT", "FIRST", "GOOD", "INK", "SECOND", "Axes", "drawn", "legend_below"]

# Stand-ins that no theme uses; each is replaced by the style sheet's colour of its name.
INK, FAINT = "#010203", "#010204"
FIRST, SECOND = "#010205", "#010206"
GOOD, BAD = "#010207", "#010208"
_NAMES = {
    INK: "ink",
    FAINT: "faint",
    FIRST: "first",
    SECOND: "second",
    GOOD: "good",
    BAD: "bad",
}
_WIDTH_IN = 7.2
_STYLE: dict[Any, Any] = {  # by Matplotlib's names; it checks them itself
    "svg.fonttype": "none",
    "text.parse_math": False,  # a dollar is a dollar
    "font.family": "DejaVu Sans",  # comes with Matplotlib; it only measures, the page's is shown
    "font.size": 9.0,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": FAINT,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.formatter.useoffset": False,
    "grid.color": FAINT,
    "grid.alpha": 0.35,
    "grid.linewidth": 0.6,
    "xtick.color": FAINT,
    "xtick.labelcolor": INK,
    "ytick.color": FAINT,
    "ytick.labelcolor": INK,
    "lines.linewidth": 1.6,
    "legend.frameon": False,
}


def drawn(
    name: str, label: str, paint: Callable[[Axes], None], *, height_in: float = 2.5
) -> Markup:
    """What `paint` puts on empty axes; `name` is the plot's own on its page, `label` is read out
    where it cannot be seen."""
    with mpl.rc_context(_STYLE | {"svg.hashsalt": name}):
        figure = Figure(figsize=(_WIDTH_IN, height_in), layout="constrained")
        FigureCanvasSVG(figure)
        axes = figure.add_subplot()
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(_plain)
        paint(axes)
        sink = io.StringIO()
        figure.savefig(sink, format="svg", transparent=True)
    return Markup(_inlined(sink.getvalue(), name, label))


def legend_below(axes: Axes) -> None:
    """A legend under the plot, where it hides nothing."""
    figure = axes.get_figure()
    assert isinstance(figure, Figure), "the axes stand on a figure"
    figure.legend(loc="outside lower center", ncols=4)


def _plain(number: float, _place: float) -> str:
    """A tick's words: 15000 -> "15,000", 0.25 -> "0.25"."""
    return f"{number:,.10g}"


def _inlined(svg: str, name: str, label: str) -> str:
    """Without what only a file of its own needs; with ids that no other plot of the page has."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>", "", svg, flags=re.DOTALL)
    svg = re.sub(r"<!--.*?-->", "", svg, flags=re.DOTALL)
    head, rest = svg.split(">", 1)
    view_box = re.search(r'viewBox="[^"]*"', head)
    assert view_box is not None, "Matplotlib always writes one"
    svg = f'<svg {view_box[0]} role="img" aria-label="{escape(label)}">{rest}'
    svg = re.sub(r'( id="|url\(#|href="#)', rf"\g<1>{name}-", svg)
    svg = re.sub(r"font-family: [^;\"]*", "font-family: var(--font)", svg)
    # Coordinates finer than a screen; what is between tags is for people.
    svg = re.sub(r"<[^>]*>", lambda tag: re.sub(r"(\d\.\d\d)\d+", r"\1", tag[0]), svg)
    for stand_in, colour in _NAMES.items():
        svg = svg.replace(stand_in, f"var(--{colour})")
    return re.sub(r"\n\s*", "\n", svg)
