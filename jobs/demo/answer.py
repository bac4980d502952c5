"""The answer expected for one document, and its one canonical spelling.

Boundary: knows the six fields and their JSON form; nothing about documents or models.
Invariant: `Answer.to_json` writes the keys in the order of `schema.json` with the separators
`", "` and `": "`, which is also what guided decoding without free whitespace produces.
"""

import json
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum


class Kind(StrEnum):
    """What sort of document it is."""

    INVOICE = "invoice"
    LETTER = "letter"
    EMAIL = "email"
    DELIVERY_NOTE = "delivery_note"


class Difficulty(StrEnum):
    """How the values stand in the document."""

    FORM = "form"
    LAYOUT = "layout"
    PROSE = "prose"


class Currency(StrEnum):
    """ISO 4217 codes that the demo uses."""

    EUR = "EUR"
    USD = "USD"
    GBP = "GBP"
    CHF = "CHF"


@dataclass(frozen=True)
class Money:
    """An amount with two decimals in one currency."""

    amount: Decimal
    currency: Currency


@dataclass(frozen=True)
class Answer:
    """The values to be extracted; `date` is ISO 8601, `total` is None where no money is asked."""

    kind: Kind
    number: str
    date: str
    sender: str
    total: Money | None

    def to_json(self) -> str:
        """The canonical JSON text, non-ASCII letters written as themselves."""
        fields = {
            "kind": self.kind.value,
            "number": self.number,
            "date": self.date,
            "sender": self.sender,
            "total": f"{self.total.amount:.2f}" if self.total else None,
            "currency": self.total.currency.value if self.total else None,
        }
        return json.dumps(fields, ensure_ascii=False)
