"""What all answers of the REST API have in common, and its errors."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema
from pydantic.alias_generators import to_camel

Code = Literal[
    "INVALID_PARAMS",
    "INVALID_RECIPIENT",
    "UNAUTHORIZED",
    "INSUFFICIENT_CREDITS",
    "ACCOUNT_INACTIVE",
    "FORBIDDEN",
    "NOT_FOUND",
    "METHOD_NOT_ALLOWED",
    "TIMED_OUT",
    "IDEMPOTENCY_CONFLICT",
    "TOO_LARGE",
    "UNSUPPORTED_TYPE",
    "RATE_LIMITED",
    "INTERNAL",
    "UNAVAILABLE",
    "OUTCOME_UNKNOWN",
]
"""All codes of errors."""

Units = Annotated[int, WithJsonSchema({"type": "integer", "format": "int64"})]
"""Units of a balance. Without the format, generated clients in Go and Java read 32 bits."""


class AnswerPart(BaseModel):
    """A part of an answer."""

    model_config = ConfigDict(  # type: ignore[typeddict-unknown-key]
        alias_generator=to_camel,
        validate_by_name=True,
        json_schema_mode="serialization",
        json_schema_serialization_defaults_required=True,
    )


class Answer(AnswerPart):
    """An answer with status 200."""

    success: Literal[True] = True


class Rejected(AnswerPart):
    """A recipient that nothing is sent to and nothing is charged for."""

    recipient: str = Field(description="What was given, cut to 64 characters.")
    position: int = Field(description="Its position in the request, from 0.")
    reason: str = Field(description="INVALID, DUPLICATE, OPTED_OUT, MISSING_VALUE or NOT_ALLOWED.")
    message: str = Field(description="What is wrong, as a sentence for a person.")


def is_absent(figure: object) -> bool:
    """Whether an answer leaves a figure out."""
    return figure is None


def figure(description: str) -> Any:
    """A field that an answer leaves out if it has no value."""
    return Field(default=None, exclude_if=is_absent, description=description)


class Failure(AnswerPart):
    """An error. Only the figures that belong to its code are present."""

    model_config = ConfigDict(json_schema_serialization_defaults_required=False)

    success: Literal[False] = False
    error: str = Field(description="What is wrong and what to do, as a sentence for a person.")
    code: Code = Field(description="The kind of the error, for programs.")
    field: str | None = figure("The value that is wrong, such as recipients[3].")
    rejected: list[Rejected] | None = figure(
        "INVALID_RECIPIENT: the first 1,000 recipients, with the reason for each."
    )
    required: Units | None = figure("INSUFFICIENT_CREDITS: units that it takes.")
    available: Units | None = figure("INSUFFICIENT_CREDITS: units that are available.")
    unit: str | None = figure("INSUFFICIENT_CREDITS: the unit of both.")
    status: str | None = figure("ACCOUNT_INACTIVE: the status of the client.")
    limit: int | None = figure("The limit that the request is over.")
    retry_after_seconds: int | None = figure(
        "Seconds to wait before the next attempt, as in Retry-After."
    )
    send_id: str | None = figure(
        "OUTCOME_UNKNOWN: if it was accepted, GraphQL's send(id:) finds it."
    )
    correlation_id: str | None = figure("INTERNAL: names it in the server's log.")
