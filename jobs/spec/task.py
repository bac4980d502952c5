"""The `task` part: what the model is asked, and what an answer has to look like."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from jobs.spec.base import Count, Number, OneOrMany, Part, Text, WholeNumber, refusal, require


class TextOutput(Part):
    """Free text: the answer is taken as it is."""

    type: Literal["text"]


class LabelOutput(Part):
    """One of a fixed set of labels; the engine can generate nothing else."""

    type: Literal["label"]
    labels: tuple[Text, ...] = Field(min_length=2)
    """The allowed answers, at least two."""

    @field_validator("labels")
    @classmethod
    def _labels_differ(cls, labels: tuple[str, ...]) -> tuple[str, ...]:
        twice = sorted({label for label in labels if labels.count(label) > 1})
        require(not twice, f"names {', '.join(twice)} twice", "name each label once")
        padded = [label for label in labels if label != label.strip()]
        require(not padded, "a label begins or ends with a blank", "remove the blank")
        return labels


class JsonOutput(Part):
    """JSON that fits a schema; give exactly one of schema, schema_file and pydantic.

    `file.load_spec` replaces the latter two by the schema itself, so that a loaded spec is
    self-contained and `json_schema` is always there.
    """

    type: Literal["json"]
    json_schema: dict[str, Any] | None = Field(default=None, alias="schema")
    """The JSON Schema, inline."""
    schema_file: Text | None = None
    """A JSON or YAML file that holds the JSON Schema."""
    pydantic: Annotated[str, Field(pattern=r"^[\w.]+:[\w.]+$")] | None = None
    """A pydantic class, "package.module:Class", importable or beside the job file. Its JSON
    Schema is used; validators written in Python do not run."""

    @model_validator(mode="after")
    def _exactly_one_source(self) -> JsonOutput:
        given = [self.json_schema, self.schema_file, self.pydantic]
        require(
            sum(source is not None for source in given) == 1,
            "needs exactly one of schema, schema_file, pydantic",
            "keep one of them",
        )
        return self

    @field_validator("json_schema")
    @classmethod
    def _is_a_schema(cls, schema: dict[str, Any] | None) -> dict[str, Any] | None:
        if schema is not None:
            _check_schema(schema)
        return schema


OutputFormat = Annotated[TextOutput | LabelOutput | JsonOutput, Field(discriminator="type")]


class Sampling(Part):
    """How the next token is chosen. The default is greedy, so that a run can be repeated."""

    temperature: Annotated[Number, Field(ge=0, le=2)] = 0.0
    """0 takes the likeliest token always."""
    top_p: Annotated[Number, Field(gt=0, le=1)] = 1.0
    """Consider only the likeliest tokens that together have this probability."""
    max_tokens: Count = 512
    """The longest answer; one that reaches it becomes an error row (output_truncated)."""
    seed: WholeNumber | None = None
    """Makes sampling with a temperature repeatable."""
    stop: OneOrMany = ()
    """An answer ends before any of these strings."""


class TaskSpec(Part):
    """What is done with each document."""

    system: Text | None = None
    """The system prompt, the same for every document."""
    prompt: Text
    """A Jinja template: {{ text }} is the document's text, {{ field }} any field of it."""
    output: OutputFormat = Field(default_factory=lambda: TextOutput(type="text"))
    """What an answer is: {type: text}, {type: label, labels: [...]} or {type: json,
    schema: {...}}."""
    sampling: Sampling = Sampling()
    """How the answer is generated."""
    confidence: bool = True
    """Record how sure the engine was of each answer. Asking the engine for log probabilities has
    its price: without them a CPU engine was faster by a tenth or more."""

    @field_validator("prompt")
    @classmethod
    def _reads_the_document(cls, prompt: str) -> str:
        return checked_prompt(prompt)


def checked_prompt(prompt: str) -> str:
    """`prompt`, if it is a template that uses the document; a refusal otherwise."""
    require(
        bool(_variables_of(prompt)),
        "uses no field of the document",
        "write {{ text }} where the document belongs",
    )
    return prompt


def _variables_of(template: str) -> frozenset[str]:
    from pipeline.preparing.prompts import InvalidTemplateError, Prompt

    try:
        return Prompt(None, template).variables()
    except InvalidTemplateError as error:
        raise refusal(f"is no Jinja template: {error}", "correct the template") from error


def _check_schema(schema: dict[str, Any]) -> None:
    from pipeline.outputs import InvalidSchemaError, check_schema

    try:
        check_schema(schema)
    except InvalidSchemaError as error:
        raise refusal(f"is no JSON Schema: {error}", "correct the schema") from error
