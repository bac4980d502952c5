import os
import pickle
from collections.abc import Sequence
from pathlib import Path

import pytest
from reportlab.pdfgen.canvas import Canvas
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from pipeline.loaders.input_errors import InputChangedError
from pipeline.preparing.prepare import prepare_shard
from pipeline.preparing.prompts import Prompt
from pipeline.preparing.tokens import Chat, HFTokenizer, TierTokens, tier_tokens
from tests.pipeline.planned import plan_of, source_of
from tests.pipeline.prepare_builders import ASK, Letters, codes_of, prepared, tiers_of


def test_every_format_becomes_prompts_and_every_bad_document_a_failure(tmp_path: Path) -> None:
    canvas = Canvas(str(tmp_path / "1.pdf"))
    canvas.drawString(72, 700, "from pdf")
    canvas.save()
    (tmp_path / "2.pdf").write_bytes(b"%PDF-nonsense")
    (tmp_path / "3.html").write_text("<p>from html")
    (tmp_path / "4.md").write_text("# from md")
    (tmp_path / "5.txt").write_bytes(b"\xff\xff\xff")
    (tmp_path / "6.txt").write_text(" \n")
    (tmp_path / "7.xyz").write_text("x")
    (tmp_path / "8.jsonl").write_text('{"text":"row"}\noops\n{"no":1}\n')
    (tmp_path / "9.csv").write_text("text\ncell\n")
    found = prepared(source_of(tmp_path))
    assert codes_of(found) == [
        None,
        "broken_pdf",
        None,
        None,
        "undecodable",
        "empty_text",
        "unsupported_format",
        None,
        "malformed_row",
        "missing_field",
        None,
    ]
    prompts = [
        "".join(map(chr, document.prompts["tier0"])) for document in found if document.prompts
    ]
    texts = ["from pdf", "from html", "# from md", "row", "cell"]
    assert prompts == [f"Be brief.\n\nSum up: {text}" for text in texts]
    assert all(document.failure is None or document.failure.reason for document in found)


def test_a_tier_in_which_a_prompt_does_not_fit_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text\n" + "".join("x" * n + "\n" for n in (1, 10, 11, 60, 61)))
    overhead = len("Be brief.\n\nSum up: ")
    found = prepared(source_of(tmp_path), tiers=tiers_of(overhead + 10, overhead + 60))
    assert [sorted(document.prompts) for document in found] == [
        ["tier0", "tier1"],
        ["tier0", "tier1"],
        ["tier1"],
        ["tier1"],
        [],
    ]
    assert found[-1].failure is not None
    assert found[-1].failure.code == "too_long"
    assert found[-1].failure.reason == (
        "the prompt has 80 tokens, tier tier1 takes 79 beside the longest answer"
    )


def test_a_huge_text_is_found_too_long_by_its_beginning(tmp_path: Path) -> None:
    lengths: list[int] = []

    class Counting(Letters):
        def encode_chat(self, system: str | None, user: str) -> tuple[int, ...]:
            lengths.append(len(user))
            return super().encode_chat(system, user)

    (tmp_path / "a.txt").write_text("x" * 3_000_000)
    [one] = prepared(source_of(tmp_path), tiers=[TierTokens("only", ASK, Counting(), 1000)])
    assert one.failure is not None
    assert one.failure.code == "too_long"
    assert "more than 32,002 tokens" in one.failure.reason
    assert lengths == [32_000]


def test_a_template_that_fails_on_one_document_fails_that_one_only(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(
        '{"text":"a","n":{"x":1}}\n{"text":"b"}\n{"text":"c","n":{}}\n'
    )
    found = prepared(source_of(tmp_path), Prompt(None, "{{ n.x }} {{ text }}"))
    assert codes_of(found) == [None, "template_error", "template_error"]
    assert found[1].failure is not None
    assert "'n' is undefined" in found[1].failure.reason


def test_prepared_documents_carry_what_a_row_needs(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"id":1,"text":"a","lang":"de"}\n{"id":1,"text":"a","lang":"fr"}\n')
    first, second = prepared(source_of(path, id_field="id", passthrough=("lang",)))
    assert (first.id, first.source, first.source_row) == ("1", str(path), 0)
    assert first.passthrough == (("lang", "de"),)
    assert second.failure is not None
    assert second.failure.code == "duplicate_id"
    assert second.passthrough == (("lang", "fr"),)
    assert pickle.loads(pickle.dumps(first)) == first


def test_only_the_parquet_columns_that_are_needed_are_read(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"id": [1], "text": ["t"], "m": [{"a": 1}], "big": ["b"]}), path)
    source = source_of(path, id_field="id")
    [one] = prepared(source, Prompt(None, "{{ text }}{{ m.a }}"))
    assert "".join(map(chr, one.prompts["tier0"])).endswith("t1")
    [one] = prepared(source, Prompt(None, "{{ fields['big'] }}"))
    assert "".join(map(chr, one.prompts["tier0"])).endswith("b")
    [one] = prepared(source, Prompt(None, "{{ big is defined }}{{ absent is defined }}"))
    assert "".join(map(chr, one.prompts["tier0"])).endswith("TrueFalse")


@pytest.mark.parametrize("name", ["a.txt", "a.jsonl", "a.csv", "a.parquet"])
@pytest.mark.parametrize("change", ["touch", "remove"])
def test_an_input_that_changed_after_the_plan_stops_the_run(
    tmp_path: Path, name: str, change: str
) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = tmp_path / name
    if name == "a.parquet":
        pq.write_table(pa.table({"text": ["t"]}), path)
    else:
        path.write_text({"a.jsonl": '{"text":"a"}\n', "a.csv": "text\na\n"}.get(name, "text"))
    source = source_of(path)
    shards = plan_of(source)
    if change == "touch":
        os.utime(path, (1, 1))
    else:
        path.unlink()
    with pytest.raises(InputChangedError, match=name):
        prepare_shard(shards[0], source, tiers_of(1000))


def hf_tokenizer(folder: Path, chat_template: str | None) -> HFTokenizer:
    """A byte-level tokenizer that puts <s> before a text."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: number for number, token in enumerate(["<s>", "<|user|>", *alphabet])}
    made = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    made.post_processor = processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", 0)]
    )
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=made, bos_token="<s>", additional_special_tokens=["<|user|>"]
    )
    wrapped.chat_template = chat_template
    wrapped.save_pretrained(folder)
    return HFTokenizer(str(folder))


def test_without_a_chat_template_the_system_prompt_comes_before_a_blank_line(
    tmp_path: Path,
) -> None:
    tokenizer = hf_tokenizer(tmp_path, None)
    both = tokenizer.encode_chat("ab", "cé")
    assert both[0] == 0
    assert both[0] not in both[1:]
    assert len(both) == 1 + len(b"ab\n\nc") + 2
    assert tokenizer.encode_chat(None, "ab\n\ncé") == both
    assert tokenizer.encode_chats([("ab", "cé"), (None, "x")]) == [
        both,
        tokenizer.encode_chat(None, "x"),
    ]
    assert tokenizer.encode_chats([]) == []


def test_a_chat_template_writes_its_special_tokens_once(tmp_path: Path) -> None:
    template = (
        "<s>{% for m in messages %}{{ '<|user|>' if m.role == 'user' else '' }}{{ m.content }}"
        "{% endfor %}{% if add_generation_prompt %}!{% endif %}"
    )
    tokenizer = hf_tokenizer(tmp_path, template)
    ids = tokenizer.encode_chat("s", "u")
    assert ids[0] == 0
    assert ids.count(0) == 1
    assert ids[2] == 1
    assert len(ids) == 5
    assert len(tokenizer.encode_chat(None, "u")) == 4


def test_control_words_of_a_document_are_plain_text_also_without_a_chat_template(
    tmp_path: Path,
) -> None:
    (tmp_path / "a.csv").write_text("text,n\na<s>b<|user|>,1\nplain,2\n")
    tokenizer = hf_tokenizer(tmp_path / "model", None)
    prompt = Prompt(None, "{{ text }} {{ fields.n }}")
    tiers = [TierTokens("one", prompt, tokenizer, 100)]
    guarded, plain = prepared(source_of(tmp_path / "a.csv"), tiers=tiers)
    assert plain.prompts["one"] == tokenizer.encode_chat(None, "plain 2")
    ids = guarded.prompts["one"]
    assert ids[0] == 0  # the tokenizer's own
    assert not {0, 1} & set(ids[1:])
    assert len(ids) == 1 + len("a<s>b<|user|> 1")


def test_tiers_with_one_tokenizer_are_tokenised_once(tmp_path: Path) -> None:
    calls: list[int] = []

    class Counting(Letters):
        def encode_chats(self, chats: Sequence[Chat]) -> list[tuple[int, ...]]:
            calls.append(len(chats))
            return super().encode_chats(chats)

    (tmp_path / "a.csv").write_text("text\na\nb\n")
    tiers = [TierTokens("one", ASK, Counting(), 100), TierTokens("two", ASK, Counting(), 100)]
    prepared(source_of(tmp_path), tiers=tiers)
    assert calls == [2]
    tier = tier_tokens("large", ASK, "some/model", "main", max_prompt_tokens=7)
    assert tier == TierTokens("large", ASK, HFTokenizer("some/model", "main"), 7)
    assert pickle.loads(pickle.dumps(tier)) == tier
