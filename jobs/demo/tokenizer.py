"""The demo's tokenizer: byte-level BPE in which a word has one spelling wherever it stands.

Boundary: trains and saves; vocabulary texts come from the caller.
Invariant: a pre-token is one word, one digit, one run of blanks, one JSON joint or one other
character, so a value has the same tokens in a document and in an answer; any Unicode text
survives encoding and decoding.
"""

from collections.abc import Iterable

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from jobs.demo.prompt import CHAT_TEMPLATE, END_TOKEN, PAD_TOKEN, SPECIAL_TOKENS

VOCABULARY_SIZE = 1024
MAX_TOKENS = 1024
_PRE_TOKEN = r'": "|", "|\{"|"\}|\p{L}+|\p{N}| +|\n|[^\p{L}\p{N} \n]'


def train_tokenizer(texts: Iterable[str]) -> PreTrainedTokenizerFast:
    """A tokenizer of `VOCABULARY_SIZE` entries with the chat template set."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_PRE_TOKEN), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY_SIZE,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token=END_TOKEN,
        pad_token=PAD_TOKEN,
        model_max_length=MAX_TOKENS,
        clean_up_tokenization_spaces=False,
    )
    fast.chat_template = CHAT_TEMPLATE
    return fast
