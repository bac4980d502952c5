"""Job files as text, and what is wrong with them."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobs.spec.errors import SpecError
from jobs.spec.file import parse_spec

JOB = """
name: invoices
input: {uri: documents}
task: {prompt: "Read {{ text }}"}
tiers: [{name: small, model: org/small}]
output: s3://bucket/results
"""


def job(*replacements: tuple[str, str], extra: str = "") -> str:
    text = JOB
    for old, new in replacements:
        assert old in text
        text = text.replace(old, new)
    return text + extra


def problems(text: str, folder: Path = Path("/jobs"), **environment: str) -> list[str]:
    with pytest.raises(SpecError) as caught:
        parse_spec(text, folder, environment)
    return [str(problem) for problem in caught.value.problems]


def output(text: str) -> tuple[str, str]:
    return (
        'task: {prompt: "Read {{ text }}"}',
        f'task: {{prompt: "{{{{ text }}}}", output: {text}}}',
    )


def tier(text: str) -> tuple[str, str]:
    return "{name: small, model: org/small}", "{name: small, model: org/small, " + text + "}"
