"""Difficulty `form`: one value a line behind a plain English label.

Boundary: facts to blocks.
Invariant: no look-alike of any value appears in a form.
"""

import random

from jobs.demo.answer import Kind
from jobs.demo.blocks import Block, Heading, Pairs, Paragraph
from jobs.demo.facts import Facts
from jobs.demo.wording import plain_hand

_TITLES = {
    Kind.INVOICE: "Invoice",
    Kind.LETTER: "Letter",
    Kind.EMAIL: "E-mail",
    Kind.DELIVERY_NOTE: "Delivery note",
}
_REMARKS = (
    "Thank you for your business.",
    "Please keep this for your records.",
    "Write to us with any question.",
)


def form_blocks(facts: Facts, rng: random.Random) -> tuple[Block, ...]:
    """A form about `facts`."""
    hand = plain_hand(rng)
    title = _TITLES[facts.kind]
    rows = [
        ("Number", facts.number),
        ("Date", hand.day(facts.day)),
        ("Sender", facts.sender),
    ]
    if rng.random() < 0.3:
        rng.shuffle(rows)
    if facts.total:
        rows.append(("Total", hand.amount(facts.total.amount)))
        rows.append(("Currency", facts.total.currency.value))
    if rng.random() < 0.5:
        rows.append(("Contact", facts.clerk))
    blocks: list[Block] = [Heading(title)]
    if rng.random() < 0.5:
        blocks = [Heading("Form"), Pairs((("Kind", title), *rows))]
    else:
        blocks.append(Pairs(tuple(rows)))
    if rng.random() < 0.4:
        blocks.append(Paragraph(rng.choice(_REMARKS)))
    return tuple(blocks)
