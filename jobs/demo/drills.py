"""Copying drills: the first lesson, in which short lines are said again in another order.

Boundary: token ids only; documents come later, from `batches.py`.
Invariant: everything in the second half stands in the first, so that only looking it up helps;
after a few hundred such steps a model copies values it never saw.

The circuit that this forms is the induction head of Olsson et al., "In-context Learning and
Induction Heads" (2022); on whole documents alone it took several times as long to appear.
"""

import random
from dataclasses import dataclass

from transformers import PreTrainedTokenizerFast

from jobs.demo.examples import Example
from jobs.demo.names import Namer
from jobs.demo.prompt import ASSISTANT_TOKEN

_MOST_LINES = 4


@dataclass(frozen=True)
class Driller:
    """Draws drills with `rng`, from the names that training may use."""

    rng: random.Random
    tokenizer: PreTrainedTokenizerFast

    def example(self) -> Example:
        """Two to four values, each on its line, then the same values shuffled and quoted."""
        values = [self._value() for _ in range(self.rng.randint(2, _MOST_LINES))]
        first = self.tokenizer.encode("\n".join(values) + ASSISTANT_TOKEN)
        self.rng.shuffle(values)
        second = self.tokenizer.encode('", "'.join(values) + '"}')
        return Example((*first, *second), len(first))

    def _value(self) -> str:
        rng, namer = self.rng, Namer(self.rng, held_out=False)
        day = f"{rng.randint(2018, 2031)}-{rng.randint(1, 12):02d}-{rng.randint(1, 28):02d}"
        choices = (namer.reference(), namer.company(), day, str(rng.randint(100, 99999)))
        return rng.choice(choices)
