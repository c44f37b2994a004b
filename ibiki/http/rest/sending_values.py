"""Values of requests that send: times, templates, and how they are described."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from domain.errors import InvalidInput
from domain.sending.text import FromTemplate, Text, values_given
from domain.times import instant_of

SEND_AT = (
    "When to send, as RFC 3339 with a time zone, such as 2026-11-20T08:30:00+02:00; at most "
    "30 days from now. Absent, or up to a minute ago: now."
)
IGNORE_QUIET = (
    "Also send to recipients who are in quiet hours. Otherwise their messages are held until "
    "the quiet hours of the client are over."
)
TEMPLATE = "A saved text, instead of a text."


def _time_of(value: object) -> datetime | None:
    # In a URL, a plus that is not encoded arrives as a blank.
    written = value.replace(" ", "+") if isinstance(value, str) else value
    try:
        return None if written is None else instant_of(written)
    except ValueError as error:
        raise PydanticCustomError("time", "{why}", {"why": str(error)}) from None


SendAt = Annotated[
    datetime | None,
    BeforeValidator(_time_of),
    WithJsonSchema({"anyOf": [{"type": "string", "format": "date-time"}, {"type": "null"}]}),
]


class TemplateUse(BaseModel):
    """A saved text, and the values for its placeholders."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: str = Field(description="The name of the template, ignoring case.")
    values: dict[str, str] = Field(
        default_factory=dict,
        description="A value for each placeholder, by name, ignoring case. Others are ignored.",
    )


def text_or_template(text: str | None, template: TemplateUse | None, field: str) -> Text:
    """The one that is given. Raises InvalidInput with the field if that is none or both."""
    if (text is None) == (template is None):
        raise InvalidInput(f"Give {field} or template, and not both.", field=field)
    if template is not None:
        return FromTemplate(template.name, values_given(template.values.items()))
    assert text is not None
    return text
