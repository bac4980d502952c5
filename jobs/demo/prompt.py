"""The words around a document, shared by training, evaluation and the demo's job.yaml.

Boundary: text only; `tokenizer.py` makes tokens of it.
Invariant: `CHAT_TEMPLATE` applied to `SYSTEM` and a document gives exactly `prompt_text` of it, so
a model served with the template sees what it saw in training.
"""

SYSTEM_TOKEN = "<|system|>"
USER_TOKEN = "<|user|>"
ASSISTANT_TOKEN = "<|assistant|>"
END_TOKEN = "<|end|>"
PAD_TOKEN = "<|pad|>"
SPECIAL_TOKENS = (PAD_TOKEN, END_TOKEN, SYSTEM_TOKEN, USER_TOKEN, ASSISTANT_TOKEN)

SYSTEM = "Extract the fields as JSON."
PROMPT = "{{ text }}"

CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|' + message['role'] + '|>' + (message['content'] | trim) + '<|end|>' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)


def prompt_text(document_text: str) -> str:
    """Everything the model reads before its answer."""
    return (
        f"{SYSTEM_TOKEN}{SYSTEM}{END_TOKEN}"
        f"{USER_TOKEN}{document_text.strip()}{END_TOKEN}{ASSISTANT_TOKEN}"
    )
