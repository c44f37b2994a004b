"""Accounts and messages as Twilio's SDKs read them: every key is present, null if it is empty."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any
from urllib.parse import urlencode

from domain.dispatch.settlement import EXPIRED, GIVEN_UP, OPTED_OUT
from domain.errors import NotFound
from domain.identity.access import OfClient
from domain.identity.directory import Client, ClientStatus
from domain.ids import SidKind, sid_of
from domain.inbox.messages import AnyMessage, InboundMessage
from domain.installation import Store
from domain.sending.messages import Line, Message, MessageStatus
from domain.sending.text import segments_of

VERSION = "2010-04-01"
PREFIX = f"/{VERSION}"

Resource = Mapping[str, Any]

STATUSES = {
    MessageStatus.QUEUED: "queued",
    MessageStatus.SUBMITTING: "sending",
    MessageStatus.SENT: "sent",
    MessageStatus.DELIVERED: "delivered",
    MessageStatus.UNDELIVERED: "undelivered",
    MessageStatus.REJECTED: "failed",
    MessageStatus.UNKNOWN: "sending",
    MessageStatus.CANCELLED: "canceled",
}
UNKNOWN_OUTCOME = "It is not known whether the network has taken this message."
FAILED = (MessageStatus.REJECTED, MessageStatus.UNDELIVERED)
UNKNOWN_ERROR = 30008
CODES = {OPTED_OUT: 21610, GIVEN_UP: 30036, EXPIRED: 30036}
"""The codes of failures that have a specific one."""


@dataclass(frozen=True, slots=True)
class OwnClient:
    """The client of the request. `lines`: the line of each of its numbers that has one."""

    client: Client
    lines: Mapping[str, Line]

    @property
    def sid(self) -> str:
        """Its account SID."""
        return self.client.twilio_account_sid

    @property
    def only_number(self) -> str | None:
        """Its number. None unless it has exactly one."""
        numbers = self.client.assigned_numbers
        return numbers[0] if len(numbers) == 1 else None

    def number_of(self, message: Message) -> str | None:
        """The number that a message is sent from. None if it is not known."""
        for number, line in self.lines.items():
            if (line.modem, line.port) == (message.modem, message.port):
                return number
        return self.only_number


async def find_own(store: Store, scope: OfClient) -> OwnClient:
    """The client of a scope. Raises NotFound."""
    found = (await store.find_clients(scope, [scope.client_id])).get(scope.client_id)
    if found is None:
        raise NotFound("account")
    return OwnClient(found, await store.lines_of_numbers(scope) if found.assigned_numbers else {})


@dataclass(frozen=True, slots=True)
class PageRequest:
    """A requested page of a list. `size`: the most items of a page. `number`: from 0."""

    path: str
    filters: Mapping[str, str]
    size: int
    number: int

    def uri(self, number: int, token: str | None = None) -> str:
        """The address of a page, without the host."""
        paging = {"PageSize": self.size, "Page": number} | ({"PageToken": token} if token else {})
        return f"{self.path}?{urlencode({**self.filters, **paging})}"


def page_resource(
    page: PageRequest,
    name: str,
    items: Sequence[Resource],
    *,
    following: str | None = None,
    preceding: str | None = None,
) -> Resource:
    """A page of a list. `following`, `preceding`: tokens of the pages beside it.

    There are no other keys: the Python SDK would read an unknown key as the list.
    """
    start, number = page.number * page.size, page.number
    return {
        name: items,
        "page": number,
        "page_size": page.size,
        "start": start,
        "end": start + max(len(items) - 1, 0),
        "uri": page.uri(number),
        "first_page_uri": page.uri(0),
        "next_page_uri": page.uri(number + 1, following) if following else None,
        "previous_page_uri": page.uri(max(number - 1, 0), preceding) if preceding else None,
        "last_page_uri": None,
        "num_pages": None,
        "total": None,
    }


def message_resource(own: OwnClient, message: AnyMessage, sent_at: datetime | None) -> Resource:
    """A message of either direction. `sent_at`: when an outbound one was submitted."""
    sid = sid_of(SidKind.MESSAGE, message.id)
    specific = (
        _inbound(own, message)
        if isinstance(message, InboundMessage)
        else _outbound(own, message, sent_at)
    )
    return {
        "sid": sid,
        "account_sid": own.sid,
        "api_version": VERSION,
        "body": message.text,
        "date_created": date_of(message.created_at),
        "date_updated": date_of(message.updated_at),
        "messaging_service_sid": None,
        "num_media": "0",
        "num_segments": str(segments_of(message.text)),
        "price": None,
        "price_unit": "USD",
        "subresource_uris": {},
        "uri": f"{PREFIX}/Accounts/{own.sid}/Messages/{sid}.json",
        **specific,
    }


def account_resource(own: OwnClient, auth_token: str) -> Resource:
    """The account of a client. `auth_token`: what its callbacks are signed with."""
    client, active = own.client, own.client.status is ClientStatus.ACTIVE
    path = f"{PREFIX}/Accounts/{own.sid}"
    return {
        "sid": own.sid,
        "owner_account_sid": own.sid,
        "friendly_name": client.name,
        "status": "active" if active else "suspended",
        "type": "Full",
        "auth_token": auth_token,
        "date_created": date_of(client.created_at),
        "date_updated": date_of(client.created_at),
        "subresource_uris": {
            "balance": f"{path}/Balance.json",
            "messages": f"{path}/Messages.json",
        },
        "uri": f"{path}.json",
    }


def date_of(moment: datetime) -> str:
    """A time in UTC in the format of RFC 2822, the only one that the SDKs read."""
    return format_datetime(moment.astimezone(UTC))


def status_of(message: Message) -> str:
    """The status in Twilio's words."""
    if message.status is MessageStatus.QUEUED and message.send_at is not None:
        return "scheduled" if message.send_at > datetime.now(UTC) else "queued"
    return STATUSES[message.status]


def error_of(message: Message) -> tuple[int | None, str | None]:
    """The error code of a message and its sentence; None twice if it did not fail."""
    if message.status is MessageStatus.UNKNOWN:
        return UNKNOWN_ERROR, UNKNOWN_OUTCOME
    if message.failure in CODES:
        return CODES[message.failure], message.failure
    if message.status in FAILED:
        return UNKNOWN_ERROR, message.failure
    return None, None


def _outbound(own: OwnClient, message: Message, sent_at: datetime | None) -> Resource:
    code, sentence = error_of(message)
    return {
        "direction": "outbound-reply" if message.is_reply else "outbound-api",
        "from": own.number_of(message),
        "to": message.number,
        "status": status_of(message),
        "date_sent": None if sent_at is None else date_of(sent_at),
        "error_code": code,
        "error_message": sentence,
    }


def _inbound(own: OwnClient, message: InboundMessage) -> Resource:
    # Shown only if it is the client's own number: it may be the number of a line of the
    # operator.
    known = message.receiver in own.client.assigned_numbers
    return {
        "direction": "inbound",
        "from": message.number,
        "to": message.receiver if known else own.only_number,
        "status": "received",
        "date_sent": date_of(message.created_at),
        "error_code": None,
        "error_message": None,
    }
