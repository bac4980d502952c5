"""Difficulty `prose`: English sentences with the values, and look-alikes, inside them.

Boundary: facts to blocks.
Invariant: each sentence says which role a value plays, so that a careful reader is never in doubt;
values are glued so that no line break falls inside them.
"""

import random

from jobs.demo.answer import Kind
from jobs.demo.blocks import Block, Lines, Paragraph, glued
from jobs.demo.facts import Facts
from jobs.demo.wording import Hand, Language, any_hand

_NOUNS = {
    Kind.INVOICE: ("invoice", "bill"),
    Kind.LETTER: ("letter",),
    Kind.EMAIL: ("e-mail", "mail"),
    Kind.DELIVERY_NOTE: ("delivery note", "packing slip"),
}
_CORE = (
    "This is {noun} {number} of {day}, written by {sender} for {customer}.",
    "{sender} sends {customer} this {noun}, dated {day} and filed under {number}.",
    "For the attention of {customer}: {sender} issued the present {noun} on {day} with the number"
    " {number}.",
    "On {day} we, {sender}, drew up this {noun} for {customer}; please quote {number} when you"
    " reply.",
    "With this {noun}, number {number}, which bears the date {day}, {sender} turns to {customer}.",
    "To our friends at {customer} goes this {noun} from {sender}, written on {day} under the"
    " number {number}.",
)
_SPLIT_CORE = (
    ("This {noun} carries the number {number}.", "Please quote {number} with this {noun}."),
    ("It was written on {day}.", "It bears the date {day}.", "We drew it up on {day}."),
    (
        "It comes from {sender} and is meant for {customer}.",
        "{customer} receives it from {sender}.",
        "The author is {sender}, the reader {customer}.",
    ),
)
_TOTALS = (
    "All in all {total} has to be paid, of which {tax} is tax.",
    "The amount payable comes to {total}, that is {net} plus {tax} of tax.",
    "Without tax it would be {net}, with tax we ask you for {total}.",
    "Please transfer {total} by {due_day}.",
    "We kindly ask for the payment of {total}, due on {due_day}.",
    "To {net} we had to add {tax} of tax, which makes {total} in all.",
)
_ASIDES = (
    "Your order {order} of {order_day} is the reason for it.",
    "{contact} had placed order {order} with us.",
    "We were asked for it under your reference {order}.",
    "We know you as customer {customer_number}.",
    "Our call with {contact} took place on {order_day}.",
    "We look forward to your answer until {due_day}.",
    "The goods, {count} {goods} among them, left our store on {order_day}.",
    "Your request reached us on {order_day} and was given to {clerk}.",
)
_OPENINGS = ("Dear {contact},", "Good morning {contact},", "Hello {contact},")
_CLOSINGS = ("Kind regards", "Yours sincerely", "With best wishes")


def prose_blocks(facts: Facts, rng: random.Random) -> tuple[Block, ...]:
    """Running text about `facts`, between a greeting and a signature without the company."""
    hand = any_hand(rng, Language.ENGLISH)
    words = _words(facts, rng, hand)
    if rng.random() < 0.6:
        sentences = [rng.choice(_CORE)]
    else:
        sentences = [rng.choice(choices) for choices in _SPLIT_CORE]
        if rng.random() < 0.5:
            sentences[1:] = sentences[:0:-1]
    for aside in rng.sample(_ASIDES, rng.randint(1, 3)):
        sentences.insert(rng.randint(0, len(sentences)), aside)
    if facts.total:
        sentences.insert(rng.choice((0, len(sentences))), rng.choice(_TOTALS))
    texts = [sentence.format_map(words) for sentence in sentences]
    cut = rng.randint(1, len(texts))
    parts = [" ".join(texts[:cut])] + ([" ".join(texts[cut:])] if texts[cut:] else [])
    paragraphs: list[Block] = [Paragraph(part) for part in parts]
    if rng.random() < 0.7:
        paragraphs.insert(0, Paragraph(rng.choice(_OPENINGS).format_map(words)))
        paragraphs.append(Lines((rng.choice(_CLOSINGS), facts.clerk)))
    return tuple(paragraphs)


def _words(facts: Facts, rng: random.Random, hand: Hand) -> dict[str, str]:
    """The values under the names that the sentence patterns use."""
    item = facts.items[0]
    words = {
        "noun": rng.choice(_NOUNS[facts.kind]),
        "number": facts.number,
        "day": hand.day(facts.day),
        "sender": facts.sender,
        "customer": facts.customer,
        "total": hand.money(facts.total) if facts.total else "",
        "net": hand.money(facts.net),
        "tax": hand.money(facts.tax),
        "order": facts.order_number,
        "customer_number": facts.customer_number,
        "due_day": hand.day(facts.due_day),
        "order_day": hand.day(facts.order_day),
        "contact": facts.contact,
        "clerk": facts.clerk,
        "count": str(item.count),
        "goods": item.name,
    }
    return {name: glued(value) for name, value in words.items()}
