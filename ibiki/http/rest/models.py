"""Requests and answers of the REST API: they check bodies, and openapi.json is made from them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    FailFast,
    Field,
    RootModel,
    field_validator,
)
from pydantic_core import PydanticCustomError

from domain.sending.text import Text
from ibiki.http.rest.answers import Answer, Failure, Rejected, Shown, figure
from ibiki.http.rest.sending_values import (
    IGNORE_QUIET,
    SEND_AT,
    TEMPLATE,
    SendAt,
    TemplateUse,
    text_or_template,
)

StatusWord = Literal["queued", "sent", "delivered", "undelivered", "failed", "unknown", "cancelled"]
NUMBER = "The phone number, in any usual spelling."
TEXT = "The text, 1 to 10 segments. It may have line breaks, and no other control characters."
TEXT_OR_TEMPLATE = f"{TEXT} Give either a text or a template."
HELD = "How many messages are held during quiet hours. Absent if none is."
HELD_UNTIL = "When the last message that is held is due. Absent if none is held."
MESSAGE_ID = "The ID of the message. GraphQL has the same."
ONE_NUMBER = "+12025550100"
SAMPLE_TEXT = "Good morning"
SAMPLE_ID = "msg_01m8k0z529e6rvnyafrttahaa2"
LARGEST_PAGE = 100
DEFAULT_PAGE = 25


class Request(BaseModel):
    """A body or a query string. An unknown name is refused, because it may be a misspelt one."""

    model_config = ConfigDict(extra="forbid", strict=True)


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
    message: str | None = Field(default=None, description=TEXT_OR_TEMPLATE, examples=[SAMPLE_TEXT])
    template: TemplateUse | None = Field(default=None, description=TEMPLATE)
    send_at: SendAt = Field(default=None, alias="sendAt", description=SEND_AT)
    ignore_quiet_hours: bool = Field(
        default=False, alias="ignoreQuietHours", description=IGNORE_QUIET
    )

    @property
    def text(self) -> Text:
        """The text or the template. Raises InvalidInput if not exactly one is given."""
        return text_or_template(self.message, self.template, "message")


class Bulk(Request):
    """Many numbers, and when to send to them."""

    recipients: Recipients
    send_at: SendAt = Field(default=None, alias="sendAt", description=SEND_AT)
    ignore_quiet_hours: bool = Field(
        default=False, alias="ignoreQuietHours", description=IGNORE_QUIET
    )


class SendBulk(Bulk):
    """One text to many numbers."""

    content: str | None = Field(default=None, description=TEXT_OR_TEMPLATE, examples=[SAMPLE_TEXT])
    template: TemplateUse | None = Field(default=None, description=TEMPLATE)

    @property
    def text(self) -> Text:
        """The text or the template. Raises InvalidInput if not exactly one is given."""
        return text_or_template(self.content, self.template, "content")


class SendItem(Request):
    """A text for one number."""

    recipient: str = Field(description=NUMBER, examples=[ONE_NUMBER])
    content: str | None = Field(default=None, description=TEXT_OR_TEMPLATE, examples=[SAMPLE_TEXT])
    template: TemplateUse | None = Field(default=None, description=TEMPLATE)

    @property
    def text(self) -> Text:
        """The text or the template. Raises InvalidInput if not exactly one is given."""
        return text_or_template(self.content, self.template, "content")


class SendBulkMulti(RootModel[Annotated[list[SendItem], FailFast()]]):
    """Its own text for each number. The limit is 10,000 items, unless the operator has
    changed it."""


class SendBulkMultiQuery(BaseModel):
    """The body is an array, so the options are in the URL."""

    model_config = ConfigDict(extra="forbid")  # not strict: in a URL, everything is text

    send_at: SendAt = Field(default=None, alias="sendAt", description=SEND_AT)
    ignore_quiet_hours: bool = Field(
        default=False, alias="ignoreQuietHours", description=IGNORE_QUIET
    )


class NoQuery(Request):
    """An endpoint without parameters in its URL."""


class PageQuery(BaseModel):
    """A query string with a limit."""

    model_config = ConfigDict(extra="forbid")  # not strict: in a URL, everything is text

    @field_validator("limit", mode="before", check_fields=False)
    @classmethod
    def _in_digits(cls, given: object) -> object:
        if isinstance(given, str) and not (given.isascii() and given.isdecimal()):
            raise PydanticCustomError("int_parsing", "not a whole number")
        return given


class InboxQuery(PageQuery):
    """Which part of the inbox to read."""

    after: str | None = Field(
        default=None, description="The `next` of the last answer, or any ID of an inbound message."
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


class ItemQueued(Shown):
    """An item that was accepted."""

    recipient: str = Field(description="What was given.")
    message_id: str = Field(description=MESSAGE_ID)
    status: Literal["queued"] = "queued"


class ItemFailed(Shown):
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


class StatusAnswer(Answer):
    """The present status of a message."""

    message_id: str = Field(description=MESSAGE_ID)
    status: StatusWord
    delivered_at: datetime | None = Field(
        description="When it was reported as delivered; null until then."
    )


class BalanceAnswer(Answer):
    """What the account holds."""

    balance: int = Field(description="For a user without an account: of the group or the pool.")
    currency: str = Field(description='"credits", or a currency such as "UGX".')


class Inbound(Shown):
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
    cost: int = Field(description="What the accepted messages would cost.")
    balance: int = Field(description="What the account holds now.")
    affordable: bool = Field(description="Whether the balance covers the cost.")
    held: int = Field(description="How many messages would be held during quiet hours.")
    held_until: datetime | None = Field(
        description="When the last of these would be due; null if none would be held."
    )
    problem: Failure | None = Field(
        description="The error that sendbulk would answer; null if it would be accepted."
    )
