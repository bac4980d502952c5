"""What a document is about: the values to extract and the look-alikes around them.

Boundary: values only, no wording and no layout.
Invariant: no look-alike equals the value that it stands beside, so a right answer is never luck.
"""

import random
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from jobs.demo.answer import Answer, Currency, Kind, Money
from jobs.demo.names import Namer

_CENT = Decimal("0.01")
_CURRENCIES = (Currency.EUR, Currency.EUR, Currency.USD, Currency.GBP, Currency.CHF)


@dataclass(frozen=True)
class Item:
    """One line of goods."""

    name: str
    count: int
    price: Decimal


@dataclass(frozen=True)
class Facts:
    """The gold values (`kind` to `total`) and the look-alikes (all others)."""

    kind: Kind
    number: str
    day: date
    sender: str
    total: Money | None
    customer: str
    order_number: str
    customer_number: str
    due_day: date
    order_day: date
    net: Money
    tax: Money
    items: tuple[Item, ...]
    clerk: str
    contact: str

    def answer(self) -> Answer:
        """The gold answer."""
        return Answer(self.kind, self.number, self.day.isoformat(), self.sender, self.total)


def draw_facts(rng: random.Random, namer: Namer, kind: Kind) -> Facts:
    """Random facts for a document of that kind; a delivery note never asks for money."""
    has_total = kind is Kind.INVOICE or (kind is not Kind.DELIVERY_NOTE and rng.random() < 0.5)
    currency = rng.choice(_CURRENCIES)
    total = Decimal(int(10 ** rng.uniform(3, 6.7))) * _CENT
    net = (total / Decimal(rng.choice(("1.19", "1.20", "1.07")))).quantize(_CENT)
    day = date(rng.randint(2018, 2031), rng.randint(1, 12), rng.randint(1, 28))
    return Facts(
        kind=kind,
        number=namer.reference(),
        day=day,
        sender=namer.company(),
        total=Money(total, currency) if has_total else None,
        customer=namer.company(),
        order_number=namer.reference(),
        customer_number=str(rng.randint(1000, 999999)),
        due_day=day + timedelta(days=rng.randint(5, 45)),
        order_day=day - timedelta(days=rng.randint(2, 45)),
        net=Money(net, currency),
        tax=Money(total - net, currency),
        items=tuple(_draw_item(rng, namer) for _ in range(rng.randint(1, 3))),
        clerk=namer.person(),
        contact=namer.person(),
    )


def _draw_item(rng: random.Random, namer: Namer) -> Item:
    price = Decimal(int(10 ** rng.uniform(2, 5))) * _CENT
    return Item(namer.goods(), rng.randint(1, 60), price)
