"""A run's figures for Prometheus, through the exporter that Ray has on every node.

Boundary: the driver publishes each snapshot; nobody reads them here. All are gauges, because they
cover all attempts of a run: a counter would begin anew with every driver.
"""

from __future__ import annotations

from dataclasses import dataclass

from ray.util.metrics import Gauge

from pipeline.progress import Snapshot, State

TAG = "run"
TIER_TAG = "tier"


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure, by its name in Prometheus (Ray puts `ray_` before it)."""

    name: str
    help: str
    value: float
    tier: str | None = None  # of those that there is one of for each tier


def figures(snapshot: Snapshot) -> tuple[Figure, ...]:
    """What of a snapshot is exported; rates are left to PromQL."""
    its, watch = snapshot.interruptions, snapshot.node_watch
    rework, starts = its.rework, its.starts
    waits = snapshot.state is State.WAITING_FOR_CAPACITY
    rows: tuple[tuple[str, str, float], ...] = (
        ("documents", "documents of the run", snapshot.documents_total),
        ("documents_ok", "documents with an answer", snapshot.documents_ok),
        ("documents_error", "documents with an error row", snapshot.documents_error),
        ("documents_unsaved", "documents at engines, or not durable yet", snapshot.unsaved),
        ("shards_done", "committed shards", snapshot.shards_done),
        ("prompt_tokens", "prompt tokens of finished documents", snapshot.prompt_tokens),
        ("output_tokens", "output tokens of finished documents", snapshot.output_tokens),
        ("cost_usd", "spend of all attempts", snapshot.cost_usd),
        ("engines_ready", "engines that work", snapshot.engines_ready),
        ("engines_wanted", "engines that are asked for", snapshot.engines_wanted),
        ("waiting_for_capacity", "1 while no node has room for any engine", waits),
        ("nodes_watched", "nodes that are asked for notices", watch.nodes),
        ("nodes_in_trouble", "of them, those that cannot hear of any now", watch.nodes_in_trouble),
        ("interruption_notices", "engines that had notice", its.notices),
        ("engines_lost", "engines that went before they were empty", its.losses),
        ("documents_handed_back", "documents they gave back", its.handed_back),
        ("documents_under_notice", "documents finished under notice", its.finished_under_notice),
        ("tokens_under_notice", "tokens of those documents", its.tokens_under_notice),
        ("notice_used_s", "seconds of notices in which documents were finished", its.used_s),
        ("longest_drain_s", "seconds from a notice to the empty engine", its.longest_drain_s),
        ("salvaged_tokens", "tokens kept of unfinished answers", rework.salvaged_tokens),
        ("redone_documents", "documents begun again", rework.documents + its.restarted_documents),
        ("dropped_tokens", "tokens given back that no engine can continue", its.dropped_tokens),
        ("redone_tokens", "output tokens generated twice, at most", rework.tokens),
        ("prefilled_again_tokens", "prompt tokens computed twice", rework.prefilled_again_tokens),
        ("redone_engine_s", "engine seconds spent in vain", rework.engine_s),
        ("redone_gpu_s", "GPU seconds spent in vain", rework.gpu_s),
        ("redone_usd", "their price", rework.usd),
        ("engine_start_s", "engine seconds between a node and its ready engine", starts.seconds),
        ("engine_start_usd", "their price", starts.usd),
        ("engine_restart_s", "those of replacements", starts.restart_seconds),
        ("engine_restart_usd", "their price", starts.restart_usd),
    )
    named = tuple(Figure(f"gleaner_{name}", words, float(value)) for name, words, value in rows)
    return named + _of_route(snapshot) + _of_tiers(snapshot)


def _of_route(snapshot: Snapshot) -> tuple[Figure, ...]:
    route = snapshot.route
    if route is None or len(route.ladder) < 2:
        return ()
    rows: tuple[tuple[str, str, float], ...] = (
        ("audited", "documents whose answers were compared", route.audited),
        ("audit_loss", "their mean loss against the last tier", route.audit_loss or 0.0),
        ("route_changes", "times the audit made the route stricter", len(route.changes)),
    )
    return tuple(Figure(f"gleaner_{name}", words, float(value)) for name, words, value in rows)


def _of_tiers(snapshot: Snapshot) -> tuple[Figure, ...]:
    return tuple(
        Figure(f"gleaner_tier_{name}", words, float(value), tier)
        for tier, tally in snapshot.tiers.items()
        for name, words, value in (
            ("documents_kept", "documents that keep this tier's answer", tally.kept),
            ("documents_sent_on", "documents sent on", tally.documents - tally.kept),
            ("prompt_tokens", "prompt tokens of this tier", tally.prompt_tokens),
            ("output_tokens", "output tokens of this tier", tally.output_tokens),
            ("cost_usd", "documents' shares of this tier's engines", tally.cost_usd),
        )
    )


class Metrics:
    """The figures of one run, as its driver publishes them."""

    def __init__(self, run_id: str) -> None:
        self._tags = {TAG: run_id}
        self._gauges: dict[str, Gauge] = {}

    def publish(self, snapshot: Snapshot) -> None:
        """Replace what was published before."""
        for figure in figures(snapshot):
            gauge = self._gauges.get(figure.name)
            if gauge is None:
                keys = (TAG,) if figure.tier is None else (TAG, TIER_TAG)
                gauge = Gauge(figure.name, figure.help, tag_keys=keys)
                self._gauges[figure.name] = gauge
            named = {} if figure.tier is None else {TIER_TAG: figure.tier}
            gauge.set(figure.value, self._tags | named)
