"""A run on a terminal, as one renewable picture.

Boundary: renders a snapshot and the trail behind it; shared by `gleaner run` and `gleaner watch`.
"""

from __future__ import annotations

import time

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from jobs.watch.trail import Trail, sparkline
from jobs.wording.fleet import engine_cells, fleet_columns, tier_rates
from jobs.wording.interruptions import event_line, interruption_lines
from jobs.wording.numbers import count, duration, rate, usd
from jobs.wording.route import route_lines
from jobs.wording.run import error_line, left_words, state_words
from jobs.wording.watch import watch_lines
from pipeline.progress import FINAL_STATES, Snapshot

ENGINES_SHOWN = 12
EVENTS_SHOWN = 4
SPARKS = 48


def live_view(snapshot: Snapshot, trail: Trail | None = None) -> Group:
    """The whole picture of a run."""
    trail = Trail() if trail is None else trail
    done, total = snapshot.documents_finished, snapshot.documents_total
    parts: list[RenderableType] = [ProgressBar(total=max(total, 1), completed=done)]
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    sparks = sparkline([point.documents_per_s for point in trail.points], width=SPARKS)
    for name, words in facts(snapshot, trail):
        grid.add_row(name, Text(f"{words}  {sparks}" if name == "documents" else words))
    parts.append(grid)
    if snapshot.fleet and snapshot.state not in FINAL_STATES:
        parts += [Text(), _engines(snapshot)]
    events = snapshot.interruptions.events[-EVENTS_SHOWN:]
    parts += [Text(event_line(event), style="yellow") for event in events]
    parts += [Text(line, style="red") for line in error_lines(snapshot, trail)]
    return Group(*parts)


def error_lines(snapshot: Snapshot, trail: Trail) -> list[str]:
    """Each kind of error, and how many came just now."""
    recent = trail.recent_errors()
    return [
        error_line(error)
        + (f" ({count(recent[error.code])} in the last minute)" if error.code in recent else "")
        for error in snapshot.first_errors
    ]


def facts(snapshot: Snapshot, trail: Trail) -> list[tuple[str, str]]:
    """Names and words of everything that is told in one line each."""
    lines = [
        *route_lines(snapshot),
        *interruption_lines(snapshot.interruptions),
        *watch_lines(snapshot.node_watch),
    ]
    named = [line.partition(": ") for line in lines]
    return [*_rows(snapshot, trail).items(), *((name, words) for name, _, words in named)]


def _rows(snapshot: Snapshot, trail: Trail) -> dict[str, str]:
    done, total = snapshot.documents_finished, snapshot.documents_total
    share = f"{100 * done / total:.1f} %" if total else ""
    errors = f", {count(snapshot.documents_error)} error" if snapshot.documents_error else ""
    kept = f", {count(snapshot.documents_restored)} kept" if snapshot.documents_restored else ""
    rows = {
        "state": state_words(snapshot),
        "documents": f"{count(done)} of {count(total)} {share} "
        f"({count(snapshot.documents_ok)} ok{errors}{kept}), {rate(snapshot.documents_per_s)}",
        "shards": f"{count(snapshot.shards_done)} of {count(snapshot.shards_total)}",
        "tokens": f"in {count(snapshot.prompt_tokens)} ({rate(snapshot.prompt_tokens_per_s)}), "
        f"out {count(snapshot.output_tokens)} ({rate(snapshot.output_tokens_per_s)})",
        "engines": f"{snapshot.engines_ready} of {snapshot.engines_wanted} ready"
        + tier_rates(snapshot.fleet),
        "time": f"{duration(snapshot.elapsed_s)} elapsed, {left_words(snapshot)} left",
        "cost": f"{usd(snapshot.cost_usd)} so far{_prospect(snapshot, trail)}",
    }
    if snapshot.state in FINAL_STATES:
        del rows["engines"]
        rows["time"] = f"{duration(snapshot.elapsed_s)} elapsed"
    return rows


def _prospect(snapshot: Snapshot, trail: Trail) -> str:
    """What it costs at present and will have cost at that pace."""
    usd_per_hour = trail.usd_per_hour()
    if usd_per_hour is None or snapshot.state in FINAL_STATES:
        return ""
    words = f", {usd(usd_per_hour)} an hour"
    if snapshot.eta_s is None:
        return words
    return words + f", about {usd(snapshot.cost_usd + usd_per_hour * snapshot.eta_s / 3600)} in all"


def _engines(snapshot: Snapshot) -> Table:
    table = Table(*fleet_columns(), box=None, padding=(0, 2, 0, 0), header_style="dim")
    for engine in snapshot.fleet[:ENGINES_SHOWN]:
        cells = engine_cells(engine, now_unix_s=time.time())
        table.add_row(*map(Text, cells), style="yellow" if engine.has_notice else "")
    more = len(snapshot.fleet) - ENGINES_SHOWN
    if more > 0:
        table.add_row(f"and {count(more)} more")
    return table
