"""Sends and messages, looked up: whose they are decides what is there at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from strawberry import ID

from domain.errors import NotFound
from domain.identity.access import Role, message_scope
from domain.identity.records import Client
from domain.inbox.messages import AnyMessage
from domain.pages import Page, Window
from domain.search import search_of
from domain.sending.sends import Message, MessageStatus, Send
from domain.sending.text import Encoding
from domain.sending.text import encoding_of as encoding_of_text
from domain.sending.text import segments_of as segments_of_text
from resolvers import ids
from resolvers.context import Info, actor_of
from resolvers.ids import Kind
from resolvers.loaders import load_clients, load_messages


@dataclass(frozen=True, slots=True)
class Counts:
    """How many messages of a send are in which status."""

    queued: int = 0
    submitting: int = 0
    sent: int = 0
    delivered: int = 0
    undelivered: int = 0
    rejected: int = 0
    unknown: int = 0
    cancelled: int = 0


async def send(info: Info, id: ID) -> Send | None:
    """One request to send."""
    scope = message_scope(actor_of(info))
    send_id = ids.find(Kind.SEND, id)
    if send_id is None:
        return None
    try:
        return await info.context.installation.store.find_send(scope, send_id)
    except NotFound:
        return None


async def sends(info: Info, window: Window[UUID]) -> Page[Send]:
    """The actor's sends, newest first."""
    return await info.context.installation.store.read_sends(message_scope(actor_of(info)), window)


async def message(info: Info, id: ID) -> AnyMessage | None:
    """One message, of either direction."""
    message_scope(actor_of(info))
    [found] = await load_messages(info, [ids.find(Kind.MESSAGE, id)])
    return found


async def messages(
    info: Info,
    window: Window[UUID],
    status: MessageStatus | None = None,
    search: str | None = None,
) -> Page[AnyMessage] | Page[Message]:
    """The actor's messages in both directions, newest first; only what was sent has a status."""
    scope, store = message_scope(actor_of(info)), info.context.installation.store
    if status is None:
        return await store.read_any_messages(scope, window, search=search_of(search))
    return await store.read_messages(scope, window, status=status, search=search_of(search))


async def messages_of(
    roots: Sequence[Send], info: Info, window: Window[UUID], status: MessageStatus | None = None
) -> list[Page[Message]]:
    """A page of the messages of each send."""
    scope, store = message_scope(actor_of(info)), info.context.installation.store
    ids = [root.id for root in roots]
    found = await store.read_messages_of_sends(scope, ids, window, status=status)
    return [found[each] for each in ids]


async def clients_of(roots: Sequence[Send | AnyMessage], info: Info) -> list[Client | None]:
    """The client of each: only an admin may know it."""
    actor_of(info, Role.ADMIN)
    return await load_clients(info, [root.client_id for root in roots])


def modem_of(root: AnyMessage, info: Info) -> str | None:
    """The modem that it came or goes through: the operator's to know. A first message has none."""
    actor_of(info, Role.ADMIN)
    return root.modem


def port_of(root: AnyMessage, info: Info) -> str | None:
    """The port that it came or goes through: the operator's to know. A first message has none."""
    actor_of(info, Role.ADMIN)
    return root.port


def counts_of(root: Send) -> Counts:
    """The counts, each under its name."""
    return Counts(**{status.value.lower(): count for status, count in root.counts.items()})


def encoding_of(root: AnyMessage) -> Encoding:
    """How its text is written on the air."""
    return encoding_of_text(root.text)


def segments_of(root: AnyMessage) -> int:
    """Segments that its text is cut into."""
    return segments_of_text(root.text)
