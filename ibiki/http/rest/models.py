"""Requests and answers of the REST API: they check bodies, and openapi.json is made from them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    FailFast,
    Field,
    RootModel,
    WithJsonSchema,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from domain.errors import InvalidInput
from domain.sending.text import FromTemplate, Text, values_given
from domain.times import instant_of
from ibiki.http.rest.answers import Answer, AnswerPart, Failure, Rejected, Units, figure

StatusWord = Literal["queued", "sent", "delivered", "undelivered", "failed", "unknown", "cancelled"]
NUMBER = "The phone number, in any usual spelling."
TEXT = (
    "The text, 1 to 10 segments unless the operator has changed the limit. It may have line "
    "breaks, and no other control characters."
)
HELD = "How many messages are held during quiet hours. Absent if none is."
HELD_UNTIL = "When the last message that is held is due. Absent if none is held."
MESSAGE_ID = "The ID of the message. GraphQL has the same."
ONE_NUMBER = "+12025550100"
SAMPLE_TEXT = "Good morning"
KEY_TEXT: dict[str, Any] = {"minLength": 1, "maxLength": 255, "pattern": "^[ -~]+$"}
SAMPLE_ID = "msg_01m8k0z529e6rvnyafrttahaa2"
LARGEST_PAGE = 100
DEFAULT_PAGE = 25


class Request(BaseModel):
    """A body or a query string. An unknown name is refused, because it may be a misspelt one."""

    model_config = ConfigDict(extra="forbid", strict=True)
    text_name: ClassVar[str] = "message"
    """The name of the text, if it has one."""


class TemplateUse(Request):
    """A saved text, and the values for its placeholders."""

    name: str = Field(description="The name of the template, ignoring case.")
    values: dict[str, str] = Field(
        default_factory=dict,
        description="A value for each placeholder, by name, ignoring case. Others are ignored.",
    )


def _time_of(value: object) -> datetime | None:
    # In a URL, a plus that is not encoded arrives as a blank.
    written = value.replace(" ", "+") if isinstance(value, str) else value
    try:
        return None if written is None else instant_of(written)
    except ValueError as error:
        raise PydanticCustomError("time", "{why}", {"why": str(error)}) from None


OptionalText = Annotated[
    str | None,
    Field(description=f"{TEXT} Give either a text or a template.", examples=[SAMPLE_TEXT]),
]
OptionalTemplate = Annotated[
    TemplateUse | None, Field(description="A saved text, instead of a text.")
]
SendAt = Annotated[
    datetime | None,
    BeforeValidator(_time_of),
    WithJsonSchema({"anyOf": [{"type": "string", "format": "date-time"}, {"type": "null"}]}),
    Field(
        alias="sendAt",
        description="When to send, as RFC 3339 with a time zone, such as 2026-11-20T08:30:00+02:00;"
        " at most 30 days from now. Absent, or up to a minute ago: now.",
    ),
]


def _without_default(schema: dict[str, Any]) -> None:
    # openapi-typescript 7.13 generates types in which a value with a default must be given.
    schema.pop("default", None)


IgnoreQuietHours = Annotated[
    bool,
    Field(
        alias="ignoreQuietHours",
        json_schema_extra=_without_default,
        description="Also send to recipients who are in quiet hours. Otherwise their messages are"
        " held until the quiet hours of the client are over.",
    ),
]
Recipients = Annotated[
    list[str],
    FailFast(),
    Field(
        description="The phone numbers, in any usual spelling. A number that occurs twice counts "
        "once. The limit is 100,000 numbers, unless the operator has changed it.",
        examples=[[ONE_NUMBER, "+12025550101"]],
    ),
]


class SendSingle(Request):
    """One text to one number."""

    recipient: str = Field(description=NUMBER, examples=[ONE_NUMBER])
    message: OptionalText = None
    template: OptionalTemplate = None
    send_at: SendAt = None
    ignore_quiet_hours: IgnoreQuietHours = False

    @property
    def text(self) -> Text:
        """The text or the template. Raises InvalidInput if not exactly one is given."""
        return text_or_template(self.message, self.template, "message")


class Bulk(Request):
    """Many numbers, and when to send to them."""

    recipients: Recipients
    send_at: SendAt = None
    ignore_quiet_hours: IgnoreQuietHours = False


class SendBulk(Bulk):
    """One text to many numbers."""

    text_name = "content"
    content: OptionalText = None
    template: OptionalTemplate = None

    @property
    def text(self) -> Text:
        """The text or the template. Raises InvalidInput if not exactly one is given."""
        return text_or_template(self.content, self.template, "content")


class SendItem(Request):
    """A text for one number."""

    recipient: str = Field(description=NUMBER, examples=[ONE_NUMBER])
    content: OptionalText = None
    template: OptionalTemplate = None

    @property
    def text(self) -> Text:
        """The text or the template. Raises InvalidInput if not exactly one is given."""
        return text_or_template(self.content, self.template, "content")


class SendBulkMulti(RootModel[Annotated[list[SendItem], FailFast()]]):
    """Its own text for each number. The limit is 10,000 items, unless the operator has
    changed it."""

    text_name: ClassVar[str] = "content"


class SendBulkMultiQuery(BaseModel):
    """The body is an array, so the options are in the URL."""

    model_config = ConfigDict(extra="forbid")  # not strict: in a URL, everything is text

    send_at: SendAt = None
    ignore_quiet_hours: IgnoreQuietHours = False


class SettleKey(Request):
    """The Idempotency-Key of a request whose answer was lost."""

    idempotency_key: str = Field(
        alias="idempotencyKey",
        description="The key.",
        examples=["order-17"],
        json_schema_extra=KEY_TEXT,
    )


class NoQuery(Request):
    """An endpoint without parameters in its URL."""


class PageQuery(BaseModel):
    """A query string with a limit. An empty value means the same as an absent one."""

    model_config = ConfigDict(extra="forbid")  # not strict: in a URL, everything is text

    @model_validator(mode="before")
    @classmethod
    def _without_empty(cls, given: dict[str, str]) -> dict[str, str]:
        known = cls.model_fields
        return {name: value for name, value in given.items() if value or name not in known}

    @field_validator("limit", mode="before", check_fields=False)
    @classmethod
    def _in_digits(cls, given: object) -> object:
        if isinstance(given, str) and not (given.isascii() and given.isdecimal()):
            raise PydanticCustomError("int_parsing", "not a whole number")
        return given


class InboxQuery(PageQuery):
    """Which part of the inbox to read."""

    after: str | None = Field(
        default=None,
        description="The `next` of the last answer, or the ID of an inbound message.",
    )
    limit: int = Field(
        default=DEFAULT_PAGE, ge=1, le=LARGEST_PAGE, description="The most messages of the answer."
    )


def _without_held(schema: dict[str, Any]) -> None:
    schema["required"] = [each for each in schema["required"] if not each.startswith("held")]


class SendAnswer(Answer):
    """An accepted send."""

    model_config = ConfigDict(json_schema_extra=_without_held)

    held: int | None = figure(HELD)
    held_until: datetime | None = figure(HELD_UNTIL)


class SingleAnswer(SendAnswer):
    """The accepted message."""

    message_id: str = Field(description=MESSAGE_ID)
    status: Literal["queued"] = "queued"


class BulkAnswer(SendAnswer):
    """The accepted messages."""

    message_ids: list[str] = Field(
        description="The IDs of the messages, in the order of the accepted recipients."
    )
    total_sent: int = Field(description="How many messages were accepted and charged.")
    status: Literal["queued"] = "queued"
    rejected: list[Rejected] = Field(
        description="The first 1,000 recipients that were not accepted."
    )
    rejected_count: int = Field(description="How many recipients were not accepted.")


class ItemQueued(AnswerPart):
    """An item that was accepted."""

    recipient: str = Field(description="What was given.")
    message_id: str = Field(description=MESSAGE_ID)
    status: Literal["queued"] = "queued"


class ItemFailed(AnswerPart):
    """An item that nothing is sent to and nothing is charged for."""

    recipient: str = Field(description="What was given.")
    status: Literal["failed"] = "failed"
    error: str = Field(description="What is wrong, as a sentence for a person.")
    code: str = Field(description="INVALID, DUPLICATE, OPTED_OUT, MISSING_VALUE or NOT_ALLOWED.")


class MultiAnswer(SendAnswer):
    """One result for each item, in order."""

    results: list[ItemQueued | ItemFailed]
    total_sent: int = Field(description="How many messages were accepted and charged.")
    total_failed: int = Field(description="How many items were not accepted.")


class SettledAnswer(Answer):
    """What was accepted with a key."""

    accepted: bool = Field(
        description="Whether a send was accepted. If not, the key can be used no more."
    )
    results: list[ItemQueued | ItemFailed] = Field(
        description="The accepted messages in order, then the first 1,000 rejected recipients."
    )


class StatusAnswer(Answer):
    """The present status of a message."""

    message_id: str = Field(description=MESSAGE_ID)
    status: StatusWord
    delivered_at: datetime | None = Field(
        description="When it was reported as delivered; null until then."
    )


class BalanceAnswer(Answer):
    """What the account holds."""

    balance: Units = Field(description="For a user without an account: of the group or the pool.")
    currency: str = Field(description='"credits", or a currency such as "UGX".')


class Inbound(AnswerPart):
    """A message from a phone."""

    message_id: str = Field(description=MESSAGE_ID)
    sender: str = Field(description="The number, short code or name that it came from.")
    message: str = Field(description="The text.")
    received_at: datetime
    mentions_opt_out: bool = Field(
        description="The text contains an opt-out word but did not opt the sender out: somebody "
        "should read it."
    )


class InboxAnswer(Answer):
    """Inbound messages in the order in which they were received, without gaps."""

    messages: list[Inbound]
    next: str | None = Field(
        description="Give this as `after` to get what follows. Null if nothing was ever received."
    )
    has_more: bool = Field(description="Whether more messages follow now.")


class QuoteAnswer(Answer):
    """What sendbulk with this body would do and cost."""

    accepted: int = Field(description="How many messages would be accepted.")
    rejected: list[Rejected] = Field(
        description="The first 1,000 recipients that would not be accepted."
    )
    rejected_count: int = Field(description="How many recipients would not be accepted.")
    encoding: str = Field(description="GSM7 or UCS2.")
    segments: int = Field(description="Segments of the text. The price does not depend on it.")
    costly_characters: list[str] = Field(description="The characters that force UCS2.")
    cost: Units = Field(description="What the accepted messages would cost.")
    balance: Units = Field(description="What the account holds now.")
    affordable: bool = Field(description="Whether the balance covers the cost.")
    held: int = Field(description="How many messages would be held during quiet hours.")
    held_until: datetime | None = Field(
        description="When the last of these would be due; null if none would be held."
    )
    problem: Failure | None = Field(
        description="The error that sendbulk would answer; null if it would be accepted."
    )


def text_or_template(text: str | None, template: TemplateUse | None, field: str) -> Text:
    """The one that is given. Raises InvalidInput with the field if that is none or both."""
    if (text is None) == (template is None):
        raise InvalidInput(f"Give {field} or template, and not both.", field=field)
    if template is not None:
        values = values_given(template.values.items(), path=("template", "values"))
        return FromTemplate(template.name, values)
    assert text is not None
    return text
