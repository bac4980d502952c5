"""Job files with three tiers and a route."""

from __future__ import annotations

from pathlib import Path

from jobs.spec.file import parse_spec
from jobs.spec.job import JobSpec

JOB = """
name: invoices
input: {uri: documents}
task: {system: Be brief., prompt: "Read {{ text }}", output: OUTPUT, sampling: {max_tokens: 99}}
tiers: [{name: a, model: org/a}, {name: b, model: org/b}, {name: c, model: org/c}]
output: s3://bucket/results
"""
LABELS = "{type: label, labels: [x, y]}"
JSON = "{type: json, schema: {type: object}}"
RULE = "{when: {tokens: {below: 9}}, tier: b}"


def text(route: str, *, output: str = "{type: text}") -> str:
    return JOB.replace("OUTPUT", output) + (f"route: {route}\n" if route else "")


def spec(route: str, *, output: str = "{type: text}", folder: Path = Path("/jobs")) -> JobSpec:
    return parse_spec(text(route, output=output), folder, {})


def when(conditions: str) -> str:
    return text(f"{{policy: rules, rules: [{{when: {conditions}, tier: b}}]}}")
