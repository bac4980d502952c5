"""Where tokens lie in their text, with the two kinds of tokenizers that models have."""

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import jobs.demo
from pipeline.engines.token_places import TokenPlaces
from pipeline.engines.value_tokens import Place, value_tokens

BUNDLED = Path(jobs.demo.__file__).parent / "models" / "small"
DOCUMENT = {"kind": "Brief", "sender": "Müller & Söhne", "to": "日本 🙂🙂 x", "total": 12.5}
TEXTS = [
    json.dumps(DOCUMENT, ensure_ascii=False),
    json.dumps(DOCUMENT),
    'a . b , c \'s , "d"',
    "  two blanks ,  and\n\nlines ",
    "👩\u200d👩\u200d👧 e\u0301 \ufffd end",
    "Ж" * 40,
]


@cache
def byte_level() -> Any:
    from transformers import PreTrainedTokenizerFast

    return PreTrainedTokenizerFast.from_pretrained(BUNDLED)


@cache
def sentencepiece() -> Any:
    """As Llama 2 has it: a mark before each word, bytes for what is not in the vocabulary."""
    from tokenizers import Tokenizer, decoders, models, normalizers
    from transformers import PreTrainedTokenizerFast

    words = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    words += sorted({*"".join(TEXTS[:4]).replace(" ", "") + "\u2581", *"abcdefgh"} - {*"日本🙂"})
    merges = [("\u2581", "a"), ("i", "n"), ("\u2581", "\u2581"), ("e", "r"), ("l", "l")]
    words += ["".join(pair) for pair in merges]
    model = models.BPE(
        vocab={word: number for number, word in enumerate(words)},
        merges=merges,
        unk_token="<unk>",
        byte_fallback=True,
        fuse_unk=True,
    )
    made = Tokenizer(model)
    made.normalizer = normalizers.Sequence(
        [normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")]
    )
    made.decoder = decoders.Sequence(
        [
            decoders.Replace("\u2581", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=made, unk_token="<unk>", bos_token="<s>", eos_token="</s>"
    )


@cache
def cleaning() -> Any:
    """One that takes away blanks before punctuation when it decodes."""
    from transformers import PreTrainedTokenizerFast

    made = PreTrainedTokenizerFast.from_pretrained(
        BUNDLED,
        clean_up_tokenization_spaces=True,
        clean_up_tokenization_spaces_for_bpe_even_though_it_will_corrupt_output=True,
    )
    assert made.decode(made.encode("a .")) == "a."
    return made


KINDS = [byte_level, sentencepiece, cleaning]


def bytes_of(tokenizer: Any, token: int) -> bytes:
    """What one token stands for, by its name alone."""
    name = tokenizer.convert_ids_to_tokens(token)
    if token in tokenizer.all_special_ids:
        return b""
    if name.startswith("<0x"):
        return bytes([int(name[3:5], 16)])
    if tokenizer is sentencepiece():
        return name.replace("\u2581", " ").encode()
    return bytes(named_bytes()[character] for character in name)


@cache
def named_bytes() -> dict[str, int]:
    """Of a byte-level vocabulary: printable bytes are themselves, the others follow behind 256."""
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in plain]
    return {chr(byte): byte for byte in plain} | {chr(256 + n): b for n, b in enumerate(others)}


def expected(tokenizer: Any, tokens: Sequence[int], text: str) -> list[Place]:
    """By counting bytes: the characters that a token has any byte of."""
    character_of: list[int] = []
    for number, character in enumerate(text):
        character_of += [number] * len(character.encode())
    pieces = [bytes_of(tokenizer, token) for token in tokens]
    surplus = len(b"".join(pieces)) - len(character_of)  # the blank before the first word
    places: list[Place] = []
    end = -surplus
    for piece in pieces:
        start, end = end, end + len(piece)
        inside = character_of[max(start, 0) : max(end, 0)]
        last = places[-1][1] if places else 0
        places.append((inside[0], inside[-1] + 1) if inside else (last, last))
    return places


def tokens_and_text(tokenizer: Any, text: str) -> tuple[list[int], str]:
    tokens = [*tokenizer.encode(text, add_special_tokens=False), tokenizer.eos_token_id]
    return tokens, tokenizer.decode(tokens, skip_special_tokens=True)


@pytest.mark.parametrize("make", [byte_level, sentencepiece])
@pytest.mark.parametrize("text", TEXTS[:4])
def test_a_token_is_where_its_bytes_are(make: Any, text: str) -> None:
    tokens, decoded = tokens_and_text(make(), text)
    assert decoded == text
    assert TokenPlaces(make()).places(tokens, text) == expected(make(), tokens, text)


@given(st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\ufffd"), max_size=30))
@settings(deadline=None, max_examples=200)
def test_any_text_has_its_tokens_where_their_bytes_are(text: str) -> None:
    for make in (byte_level, sentencepiece):
        tokens, decoded = tokens_and_text(make(), text)
        if decoded == text:
            assert TokenPlaces(make()).places(tokens, text) == expected(make(), tokens, text)


@given(st.lists(st.integers(3, 258 + 60), max_size=30), st.integers(0, 2))
@settings(deadline=None, max_examples=200)
def test_places_of_any_tokens_cover_the_text_in_order_or_are_unknown(
    tokens: list[int], kind: int
) -> None:
    tokenizer = KINDS[kind]()
    text = tokenizer.decode(tokens, skip_special_tokens=True)
    places = TokenPlaces(tokenizer).places(tokens, text)
    if places is not None:
        assert len(places) == len(tokens)
        assert places == sorted(places)
        covered = {at for start, stop in places for at in range(start, stop)}
        assert covered == set(range(len(text)))


@pytest.mark.parametrize("make", KINDS)
@pytest.mark.parametrize("text", TEXTS)
def test_places_cover_texts_of_every_kind(make: Any, text: str) -> None:
    tokens, decoded = tokens_and_text(make(), text)
    places = TokenPlaces(make()).places(tokens, decoded)
    assert places is not None
    assert {at for start, stop in places for at in range(start, stop)} == set(range(len(decoded)))


def test_an_answer_cut_off_within_a_character_has_its_places() -> None:
    tokens = byte_level().encode('{"a": "x🙂', add_special_tokens=False)[:-1]
    text = byte_level().decode(tokens)
    assert text.endswith("x\ufffd")
    places = TokenPlaces(byte_level()).places(tokens, text)
    assert places is not None
    assert places[-1] == (8, 9)


def test_of_a_text_that_a_stop_string_ended_the_rest_of_the_tokens_has_no_place() -> None:
    tokens, text = tokens_and_text(byte_level(), '{"sender": "GmbH"} END and more')
    cut = text.index("mbH")
    places = TokenPlaces(byte_level()).places(tokens, text[:cut])
    assert places is not None
    assert places[-1] == (cut, cut)
    assert max(stop for _, stop in places) == cut


def test_tokens_of_another_text_have_no_places() -> None:
    tokens, text = tokens_and_text(byte_level(), '{"sender": "GmbH"}')
    places = TokenPlaces(byte_level())
    assert places.places(tokens, text.replace("G", "g")) is None
    assert places.places(tokens, text + "}") is None


def test_values_are_found_through_both_kinds_of_tokenizers() -> None:
    text = TEXTS[0]
    for make in (byte_level, sentencepiece):
        tokens, _ = tokens_and_text(make(), text)
        places = TokenPlaces(make()).places(tokens, text)
        assert places is not None
        carried: dict[str | None, set[int]] = {}
        for one in value_tokens(text, places):
            carried.setdefault(one.field, set()).update(range(*places[one.index]))
        assert list(carried) == list(DOCUMENT)
        assert {text.index("日本 🙂🙂 x") + n for n in range(7)} <= carried["to"]
        assert text.index("sender") not in carried["kind"] | carried["sender"]
