"""The report as one HTML page that needs nothing else: no network, no script, no other file.

Boundary: values in, text out. Invariant: all text of the run is escaped; the only markup that is
not is what drawing.py made.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from jinja2 import Environment, StrictUndefined

from jobs.report.audit import audit
from jobs.report.course import course
from jobs.report.data import Report
from jobs.report.escalation import escalation
from jobs.report.headline import cards, moment, notices
from jobs.report.tradeoff import route
from jobs.report.work import costs, errors, interruptions

TOPICS = (course, route, costs, escalation, audit, errors, interruptions)
_TEMPLATE = Path(__file__).with_name("page.html.jinja")


def page(report: Report) -> str:
    """The whole page; sections that have nothing to show are left out."""
    made = (topic(report) for topic in TOPICS)
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template = environment.from_string(_TEMPLATE.read_text("utf-8"))
    return template.render(
        status=report.status,
        cards=cards(report),
        notices=notices(report),
        sections=[section for section in made if section is not None],
        started=moment(report.status.created_unix_s),
        made=moment(report.made_unix_s),
        version=_version(),
    )


def _version() -> str:
    try:
        return f"Gleaner {version('gleaner')}"
    except PackageNotFoundError:
        return "Gleaner"
