"""The two model sizes of the demo and their training recipes.

Boundary: numbers only; `train.py` acts on them.
Invariant: head sizes are ones that vLLM's CPU attention supports (32 or 64).
"""

from dataclasses import dataclass
from enum import StrEnum

from transformers import LlamaConfig

from jobs.demo.tokenizer import MAX_TOKENS, VOCABULARY_SIZE


class Size(StrEnum):
    """The cheap model that is asked first, and the one that gets what it cannot do."""

    SMALL = "small"
    LARGE = "large"


@dataclass(frozen=True)
class Recipe:
    """Shape of the network and how long, how fast and on what it is trained.

    `weights` are the shares of form, layout and prose; of all `steps`, the first `drill_steps` are
    copying drills.
    """

    width: int
    inner_width: int
    layers: int
    heads: int
    drill_steps: int
    steps: int
    batch_documents: int
    peak_rate: float
    weights: tuple[float, float, float]


RECIPES = {
    Size.SMALL: Recipe(
        width=128,
        inner_width=320,
        layers=2,
        heads=4,
        drill_steps=700,
        steps=2100,
        batch_documents=24,
        peak_rate=3e-3,
        weights=(2.0, 1.0, 1.0),
    ),
    Size.LARGE: Recipe(
        width=192,
        inner_width=512,
        layers=4,
        heads=6,
        drill_steps=700,
        steps=2500,
        batch_documents=16,
        peak_rate=3e-3,
        weights=(0.6, 1.2, 1.2),
    ),
}


def llama_config(recipe: Recipe, *, eos_token_id: int, pad_token_id: int) -> LlamaConfig:
    """The architecture as transformers and vLLM read it."""
    return LlamaConfig(
        vocab_size=VOCABULARY_SIZE,
        hidden_size=recipe.width,
        intermediate_size=recipe.inner_width,
        num_hidden_layers=recipe.layers,
        num_attention_heads=recipe.heads,
        num_key_value_heads=recipe.heads,
        head_dim=recipe.width // recipe.heads,
        max_position_embeddings=MAX_TOKENS,
        initializer_range=recipe.width**-0.5,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=eos_token_id,
        pad_token_id=pad_token_id,
    )
