"""Sends and messages, looked up: whose they are decides what is there at all."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from strawberry import ID
from strawberry.dataloader import DataLoader

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
from resolvers.loaders import load_client, load_message


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
    return await load_message(info, ids.find(Kind.MESSAGE, id))


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
    root: Send, info: Info, window: Window[UUID], status: MessageStatus | None = None
) -> Page[Message]:
    """A send's messages; of all sends that are asked for the same, read together."""
    scope, store = message_scope(actor_of(info)), info.context.installation.store

    async def read(send_ids: list[UUID]) -> list[Page[Message]]:
        found = await store.read_messages_of_sends(scope, send_ids, window, status=status)
        return [found[each] for each in send_ids]

    name = f"messages {window} {status}"
    loader: DataLoader[UUID, Page[Message]] = info.context.loaders.setdefault(
        name, DataLoader(load_fn=read)
    )
    return await loader.load(root.id)


async def client_of(root: Send | AnyMessage, info: Info) -> Client | None:
    """Whose it is: the operator's to know."""
    actor_of(info, Role.ADMIN)
    return await load_client(info, root.client_id)


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
