"""What all parts of a job spec share: strict, frozen, closed, documented field by field.

A string under a field is its documentation; `gleaner schema` hands it to editors.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

Count = Annotated[int, Field(strict=True, ge=1)]
WholeNumber = Annotated[int, Field(strict=True)]
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Amount = Annotated[float, Field(strict=True, ge=0, allow_inf_nan=False)]
Share = Annotated[float, Field(strict=True, gt=0, le=1)]
Seconds = Annotated[float, Field(strict=True, gt=0, allow_inf_nan=False)]
YesNo = Annotated[bool, Field(strict=True)]
Text = Annotated[str, Field(strict=True, min_length=1)]
Slug = Annotated[str, Field(strict=True, pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]


def one_or_many(value: object) -> object:
    """A text alone as a list of one; anything else as it is."""
    return (value,) if isinstance(value, str) else value


OneOrMany = Annotated[
    tuple[Text, ...],
    BeforeValidator(one_or_many),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "minLength": 1},
                {"type": "array", "items": {"type": "string", "minLength": 1}},
            ]
        }
    ),
]


class Part(BaseModel):
    """A part of a job spec."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        use_attribute_docstrings=True,
        validate_by_alias=True,
        validate_by_name=True,
        serialize_by_alias=True,
        validate_default=True,
    )


def require(true: bool, what_is_wrong: str, remedy: str) -> None:
    """Refuse a value in words: pydantic reports them under the field being validated."""
    if not true:
        raise refusal(what_is_wrong, remedy)


def refusal(what_is_wrong: str, remedy: str) -> Exception:
    """A validation error that carries its remedy to `errors.problems_of`."""
    from pydantic_core import PydanticCustomError

    context: dict[str, Any] = {"wrong": what_is_wrong, "remedy": remedy}
    return PydanticCustomError("gleaner", "{wrong}", context)
