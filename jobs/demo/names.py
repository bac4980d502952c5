"""Invented names: companies, people, places, goods and reference numbers.

Boundary: draws from a `random.Random` that the caller owns; knows nothing of documents.
Invariant: a stem belongs to training or to the held-out set for good (by its CRC-32), so no
invented word of a held-out document was ever part of a training document. All letters exist in
Windows-1252, which is what the PDF base fonts can show.
"""

import random
import zlib
from dataclasses import dataclass


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_ONSETS = _words(
    "b br c ch d dr f fl fr g gr h j k kl kr l m n p pl pr qu r s sch sh sk sl sn sp st str sw t "
    "th tr v w z b d f g h k l m n p r s t v w"
)
_NUCLEI = _words("a e i o u a e i o u a e i o u a e i o u a e o ai au ea ee ei oo ou")
_ACCENTED = _words("ä ö ü é è ê á í ó ú å ø æ ñ ç š ž")
_CODAS = _words(
    "b ck d ff g l ld ll m mb mp n nd ng nn nt p r rd rg rk rl rm rn rt s sch ss st t tt tz v x z"
)
_SUFFIXES = (
    "GmbH",
    "AG",
    "Ltd",
    "Ltd.",
    "Inc.",
    "LLC",
    "plc",
    "SARL",
    "SA",
    "BV",
    "KG",
    "GmbH & Co. KG",
    "AB",
    "Oy",
    "SpA",
    "& Sons",
    "& Partners",
)
_TRADES = _words(
    "Logistics Foods Metals Software Print Textiles Energy Instruments Glass Paper Optics Tools "
    "Trading Systems Pharma Timber Media Freight Motors Garden"
)
_FIRST_NAMES = _words(
    "Anna Ben Clara David Eva Felix Greta Hugo Ida Jonas Karla Leo Mara Nils Olga Paul Rosa Sven "
    "Tara Uwe Vera Zoe"
)
_GOODS = _words(
    "paper steel bolts cables lamps filters pumps boxes chairs valves sensors labels gloves "
    "paint screws tubes panels batteries brushes hoses belts tape desks motors"
)
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


@dataclass(frozen=True)
class Namer:
    """Draws names with `rng`; `held_out` chooses which half of the invented stems is used."""

    rng: random.Random
    held_out: bool

    def stem(self) -> str:
        """One invented capitalised word of two or three syllables."""
        while True:
            count = self.rng.choice((1, 2, 2, 2, 3))
            word = "".join(self._syllable() for _ in range(count)) + self.rng.choice(("", "a", "o"))
            if 3 <= len(word) <= 11 and (zlib.crc32(word.encode()) % 5 == 0) == self.held_out:
                return word.capitalize()

    def _syllable(self) -> str:
        nucleus = self.rng.choice(_ACCENTED if self.rng.random() < 0.06 else _NUCLEI)
        coda = self.rng.choice(_CODAS) if self.rng.random() < 0.5 else ""
        return self.rng.choice(_ONSETS) + nucleus + coda

    def company(self) -> str:
        """A company name of two to six words."""
        words = [self.stem()]
        roll = self.rng.random()
        if roll < 0.25:
            words.append(self.stem())
        elif roll < 0.6:
            words.append(self.rng.choice(_TRADES))
        elif roll < 0.7:
            words += ["&", self.stem()]
        return " ".join([*words, self.rng.choice(_SUFFIXES)])

    def person(self) -> str:
        """First and last name."""
        return f"{self.rng.choice(_FIRST_NAMES)} {self.stem()}"

    def street(self) -> str:
        """Street and house number."""
        kind = self.rng.choice(("Street", "Road", "Lane", "Square"))
        return f"{self.stem()} {kind} {self.rng.randint(1, 199)}"

    def city(self) -> str:
        """Postal code and town."""
        return f"{self.rng.randint(1000, 99999)} {self.stem()}"

    def goods(self) -> str:
        """What was ordered, one or two words."""
        word = self.rng.choice(_GOODS)
        return f"{self.stem()} {word}" if self.rng.random() < 0.4 else word.capitalize()

    def reference(self) -> str:
        """A document number such as `RE-2026-0417`, `K88213` or `7714/26`; never with a blank."""
        rng = self.rng
        digits = "".join(rng.choice("0123456789") for _ in range(rng.randint(3, 6)))
        letters = "".join(rng.choice(_LETTERS) for _ in range(rng.randint(1, 3)))
        year = str(rng.randint(2018, 2032))
        shapes = (
            f"{letters}-{digits}",
            f"{letters}{digits}",
            f"{letters}-{year}-{digits}",
            f"{letters}/{digits}",
            f"{digits}/{year[2:]}",
            f"{digits}-{letters}",
            f"{digits}{rng.randint(10, 99)}",
        )
        return rng.choice(shapes)
