"""One generated document: its blocks, its file form, its gold answer.

Boundary: draws documents one at a time; folders and gold files are written by `documents.py`.
Invariant: document `index` of a seed is the same whatever else is drawn, on every machine.
"""

import random
from dataclasses import dataclass

from jobs.demo.answer import Answer, Difficulty, Kind
from jobs.demo.blocks import Block
from jobs.demo.facts import draw_facts
from jobs.demo.forms import form_blocks
from jobs.demo.layouts import layout_blocks
from jobs.demo.names import Namer
from jobs.demo.prose import prose_blocks
from jobs.demo.reading import read
from jobs.demo.render import Format, render

EVEN_WEIGHTS = (1.0, 1.0, 1.0)


@dataclass(frozen=True)
class Document:
    """A good document as a file, with the answer expected for it."""

    content: bytes
    format: Format
    answer: Answer
    difficulty: Difficulty
    customer: str

    def text(self) -> str:
        """What a loader reads from the file."""
        return read(self.content, self.format)


def draw_document(
    seed: int,
    index: int,
    *,
    is_held_out: bool,
    weights: tuple[float, float, float] = EVEN_WEIGHTS,
    format_: Format | None = None,
) -> Document:
    """Document `index` of `seed`; `weights` are for form, layout, prose; any format if None."""
    rng = random.Random(f"{seed}:{index}")
    difficulty = rng.choices(tuple(Difficulty), weights=weights)[0]
    chosen = format_ or rng.choice(tuple(Format))
    namer = Namer(rng, is_held_out)
    facts = draw_facts(rng, namer, rng.choice(tuple(Kind)))
    blocks: tuple[Block, ...]
    match difficulty:
        case Difficulty.FORM:
            blocks = form_blocks(facts, rng)
        case Difficulty.LAYOUT:
            blocks = layout_blocks(facts, rng, namer)
        case Difficulty.PROSE:
            blocks = prose_blocks(facts, rng)
    content = render(blocks, chosen, rng)
    return Document(content, chosen, facts.answer(), difficulty, facts.customer)
