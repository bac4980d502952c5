"""How dates and amounts are written in documents, by language.

Boundary: value to text only; the reverse is what the model has to learn.
Invariant: every written date is unambiguous within its language (day before month when both are
digits), and every written amount has two decimals.
"""

import random
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum

from jobs.demo.answer import Currency, Money


class Language(StrEnum):
    """The languages of labels and dates."""

    ENGLISH = "en"
    GERMAN = "de"
    FRENCH = "fr"


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_MONTHS = {
    Language.ENGLISH: _words(
        "January February March April May June July August September October November December"
    ),
    Language.GERMAN: _words(
        "Januar Februar März April Mai Juni Juli August September Oktober November Dezember"
    ),
    Language.FRENCH: _words(
        "janvier février mars avril mai juin juillet août septembre octobre novembre décembre"
    ),
}
_SIGNS = {Currency.EUR: "€", Currency.USD: "$", Currency.GBP: "£", Currency.CHF: "CHF"}


@dataclass(frozen=True)
class Hand:
    """One writer's habits: each document is written by one hand."""

    language: Language
    date_style: int
    money_style: int

    def day(self, value: date) -> str:
        """`value` in this hand's date format."""
        month = _MONTHS[self.language][value.month - 1]
        if self.date_style == 0:
            return value.isoformat()
        if self.language is Language.ENGLISH:
            styles = (f"{value.day} {month} {value.year}", f"{month} {value.day}, {value.year}")
            return styles[self.date_style % 2]
        if self.language is Language.GERMAN:
            styles = (f"{value:%d.%m.%Y}", f"{value.day}. {month} {value.year}")
            return styles[self.date_style % 2]
        styles = (f"{value:%d/%m/%Y}", f"{value.day} {month} {value.year}")
        return styles[self.date_style % 2]

    def amount(self, value: Decimal) -> str:
        """`value` with this language's separators, without a currency."""
        english = f"{value:,.2f}" if self.money_style % 2 else f"{value:.2f}"
        if self.language is Language.ENGLISH:
            return english
        group = "." if self.language is Language.GERMAN else " "
        return english.replace(",", "_").replace(".", ",").replace("_", group)

    def money(self, value: Money) -> str:
        """Amount and currency, code or sign, before or behind."""
        amount = self.amount(value.amount)
        sign = _SIGNS[value.currency]
        if self.money_style < 2:
            return f"{amount} {value.currency.value}"
        if self.language is not Language.ENGLISH:
            return f"{amount} {sign}"
        if self.money_style < 4 or sign.isalpha():
            return f"{value.currency.value} {amount}"
        return f"{sign}{amount}"


def any_hand(rng: random.Random, language: Language) -> Hand:
    """A random hand of that language."""
    return Hand(language, date_style=rng.randint(0, 4), money_style=rng.randint(0, 5))


def plain_hand(rng: random.Random) -> Hand:
    """The hand that fills in forms: ISO or spelled-out English dates, amounts without grouping."""
    return Hand(Language.ENGLISH, date_style=rng.choice((0, 0, 2)), money_style=rng.choice((0, 2)))
