"""Difficulty `layout`: letterheads, other labels in three languages, and look-alikes.

Boundary: facts to blocks; running text with values inside is `prose.py`.
Invariant: the wanted value always carries a mark that its look-alikes lack (a label, or for the
sender the letterhead or signature), so that a careful reader is never in doubt.
"""

import random
from dataclasses import dataclass

from jobs.demo.answer import Kind, Money
from jobs.demo.blocks import Block, Heading, Lines, Pairs, Paragraph, Table
from jobs.demo.facts import Facts
from jobs.demo.labels import Labels, labels_of
from jobs.demo.names import Namer
from jobs.demo.wording import Hand, Language, any_hand


@dataclass(frozen=True)
class _Desk:
    """What every part of one layout shares."""

    facts: Facts
    rng: random.Random
    namer: Namer
    hand: Hand
    labels: Labels


def layout_blocks(facts: Facts, rng: random.Random, namer: Namer) -> tuple[Block, ...]:
    """A business document about `facts` in a random layout and language."""
    language = rng.choices(tuple(Language), weights=(60, 25, 15))[0]
    desk = _Desk(facts, rng, namer, any_hand(rng, language), labels_of(language))
    if facts.kind is Kind.EMAIL:
        return _email(desk)
    title = Heading(rng.choice(desk.labels.titles[facts.kind]))
    head: list[Block] = [_letterhead(desk), _recipient(desk)]
    if rng.random() < 0.3:
        head = [_recipient(desk), _seller(desk)]
    body: list[Block] = [Pairs(_meta(desk))]
    if facts.kind is Kind.LETTER:
        body += _letter_body(desk)
    else:
        body.append(_goods(desk))
    if facts.total:
        sums = Pairs(_sums(desk, facts.total))
        body.insert(rng.choice((1, len(body))), sums)
    where = rng.choice((0, 2))
    return (*head[:where], title, *head[where:], *body)


def _letterhead(desk: _Desk) -> Lines:
    lines = [desk.facts.sender, desk.namer.street()]
    if desk.rng.random() < 0.6:
        lines.append(desk.namer.city())
    return Lines(tuple(lines))


def _recipient(desk: _Desk) -> Lines:
    label = desk.rng.choice(desk.labels.recipient[desk.facts.kind])
    lines = [desk.facts.customer, desk.namer.street()]
    if desk.rng.random() < 0.4:
        lines.insert(1, desk.facts.contact)
    return Lines((f"{label}:", *lines))


def _seller(desk: _Desk) -> Pairs:
    return Pairs(((desk.rng.choice(desk.labels.sender), desk.facts.sender),))


def _meta(desk: _Desk) -> tuple[tuple[str, str], ...]:
    facts, rng, labels, hand = desk.facts, desk.rng, desk.labels, desk.hand
    rows = [
        (rng.choice(labels.number[facts.kind]), facts.number),
        (rng.choice(labels.day[facts.kind]), hand.day(facts.day)),
    ]
    lookalikes = [
        (rng.choice(labels.order_number[facts.kind]), facts.order_number),
        (rng.choice(labels.customer_number), facts.customer_number),
        (rng.choice(labels.order_day), hand.day(facts.order_day)),
        (rng.choice(labels.due_day[facts.kind]), hand.day(facts.due_day)),
        (rng.choice(labels.clerk), facts.clerk),
    ]
    rows += rng.sample(lookalikes, rng.randint(1, 3))
    rng.shuffle(rows)
    return tuple(rows)


def _goods(desk: _Desk) -> Table:
    labels, hand = desk.labels, desk.hand
    if desk.facts.kind is Kind.DELIVERY_NOTE:
        rows = [(item.name, f"{item.count}") for item in desk.facts.items]
        return Table((labels.goods[:2], *rows))
    priced = [(item.name, f"{item.count}", hand.amount(item.price)) for item in desk.facts.items]
    return Table((labels.goods, *priced))


def _sums(desk: _Desk, total: Money) -> tuple[tuple[str, str], ...]:
    facts, rng, labels, hand = desk.facts, desk.rng, desk.labels, desk.hand
    rows = [(rng.choice(labels.total), hand.money(total))]
    if rng.random() < 0.75:
        rows.insert(rng.choice((0, 1)), (rng.choice(labels.tax), hand.money(facts.tax)))
        rows.insert(rng.choice((0, 0, 2)), (rng.choice(labels.net), hand.money(facts.net)))
    return tuple(rows)


def _letter_body(desk: _Desk) -> list[Block]:
    opening, closing = desk.rng.choice(desk.labels.letter_lines)
    return [
        Paragraph(f"{desk.labels.dear} {desk.facts.contact},"),
        Paragraph(opening),
        Lines((closing, desk.facts.clerk)),
    ]


def _email(desk: _Desk) -> tuple[Block, ...]:
    facts, rng, labels, hand = desk.facts, desk.rng, desk.labels, desk.hand
    headers = [
        (labels.mail_from, facts.clerk),
        (labels.mail_to, f"{facts.contact}, {facts.customer}"),
        (rng.choice(labels.day[Kind.EMAIL]), hand.day(facts.day)),
    ]
    rng.shuffle(headers)
    subject = rng.choice(labels.subjects)
    number_row = (rng.choice(labels.number[Kind.EMAIL]), facts.number)
    other = (rng.choice(labels.order_number[Kind.EMAIL]), facts.order_number)
    references = [number_row, other] if rng.random() < 0.7 else [number_row]
    rng.shuffle(references)
    opening, closing = rng.choice(labels.letter_lines)
    blocks: list[Block] = [
        Pairs((*headers, (labels.subject, subject))),
        Paragraph(f"{labels.dear} {facts.contact},"),
        Paragraph(opening),
        Pairs(tuple(references)),
    ]
    if facts.total:
        blocks.append(Pairs(_sums(desk, facts.total)))
    blocks.append(Lines((closing, facts.clerk, facts.sender)))
    if rng.random() < 0.4:
        quoted = labels.quoted.format(
            day=hand.day(facts.order_day), person=facts.contact, company=facts.customer
        )
        blocks.append(Lines((quoted, f"> {rng.choice(labels.quotes)}")))
    return tuple(blocks)
