"""What a run decided about its route, and what follows from it for a plot.

Boundary: reads the stored certificate; costs of cuts, which it does not hold, are computed from
what it holds. Else pure.
"""

from __future__ import annotations

from checkpoints import keys
from checkpoints.route_log import read_decision
from checkpoints.store import Store
from pipeline.certification.certificate import Certificate, certificate_of_json
from pipeline.certification.certify import TestedCut
from pipeline.certification.decision import Decision
from pipeline.certification.plan_table import Option


def stored_certificate(checkpoint: Store) -> Certificate | None:
    """What the run decided; None where it has decided nothing.

    Raises CorruptObjectError, CertificateError.
    """
    found = read_decision(checkpoint)
    return None if found is None else certificate_of_json(found, name=keys.ROUTE_DECISION)


def cuts_of(decision: Decision) -> tuple[TestedCut, ...]:
    """The cuts that were tested, strict to lenient."""
    return () if decision.certification is None else decision.certification.cuts


def pair_of_cuts(decision: Decision) -> Option | None:
    """The pair of tiers that the cuts are of: its own row shows one of them."""
    shown = {(cut.threshold, cut.bound) for cut in cuts_of(decision)}
    for option in decision.options:
        if len(option.ladder) == 2 and (option.threshold, option.bound) in shown:
            return option
    return None


def costs_of_cuts(decision: Decision) -> tuple[float, ...]:
    """What a document is expected to cost at each cut; nothing where that cannot be told.

    cost = cheap + escalated x dear: `cheap` is the first tier's cost alone; `dear`, what an
    escalated document costs more, comes from the pair's own measured cost where documents of it
    escalate, since those tend to be longer, and else from the second tier's cost alone.
    """
    pair = pair_of_cuts(decision)
    alone = {one.ladder[0]: one.cost for one in decision.options if len(one.ladder) == 1}
    if pair is None or not {*pair.ladder} <= alone.keys():
        return ()
    cheap, dear = (alone[name] for name in pair.ladder)
    if pair.escalated > 0 and pair.cost > cheap:
        dear = (pair.cost - cheap) / pair.escalated
    return tuple(cheap + cut.escalated * dear for cut in cuts_of(decision))


def chosen_place(decision: Decision) -> int | None:
    """The place of the cut that is used among the tested ones; None where none is."""
    if decision.threshold is None or decision.certification is None:
        return None
    return decision.certification.chosen


def taken_way(decision: Decision) -> tuple[str, ...]:
    """The ladder of the option that was taken."""
    return decision.ladder if decision.cut is not None else decision.ladder[-1:]
