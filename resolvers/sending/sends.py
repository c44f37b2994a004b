"""Reads of sends and messages. An actor finds only those within its scope."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated
from uuid import UUID

from strawberry import ID, argument

from domain import ids
from domain.errors import InvalidInput, NotFound
from domain.identity.access import Role, message_scope
from domain.identity.directory import Client
from domain.ids import Kind
from domain.inbox.messages import AnyMessage
from domain.pages import Page, Window, search_of
from domain.sending import lists
from domain.sending.lists import ALL_SENDS, MessageStat, Period, SendOrder, periods_of, stats_of
from domain.sending.messages import Direction, Message, MessageStatus, Send
from domain.sending.text import Encoding
from domain.sending.text import encoding_of as encoding_of_text
from domain.sending.text import segments_of as segments_of_text
from resolvers.context import Info, actor_of, load_clients, load_messages, load_sends, requires
from schema.sending.inputs import MessageFilter, SendFilter

NO_ID = UUID(int=0)
NO_MESSAGES: Page[Message] = Page([], has_next=False, has_previous=False)


@dataclass(frozen=True, slots=True)
class Counts:
    """How many messages of a send have each status."""

    queued: int = 0
    submitting: int = 0
    sent: int = 0
    delivered: int = 0
    undelivered: int = 0
    rejected: int = 0
    unknown: int = 0
    cancelled: int = 0


@requires(account=True)
async def send(
    info: Info, id: Annotated[ID, argument(description="The ID of the send.")]
) -> Send | None:
    """One request to send."""
    scope = message_scope(actor_of(info))
    send_id = ids.find(Kind.SEND, id)
    if send_id is None:
        return None
    try:
        return await info.context.installation.store.find_send(scope, send_id)
    except NotFound:
        return None


@requires(account=True)
async def sends(
    info: Info,
    window: Window[UUID],
    filter: Annotated[SendFilter | None, argument(description="Which sends to list.")] = None,
    order_by: Annotated[
        SendOrder | None, argument(description="The order of the list. Default: NEWEST.")
    ] = None,
) -> Page[Send]:
    """The actor's sends."""
    scope, store = message_scope(actor_of(info)), info.context.installation.store
    wanted = ALL_SENDS if filter is None else _send_filter(filter)
    return await store.read_sends(scope, window, filter=wanted, order=order_by or SendOrder.NEWEST)


@requires(account=True)
async def message(
    info: Info, id: Annotated[ID, argument(description="The ID of the message.")]
) -> AnyMessage | None:
    """One message, of either direction."""
    message_scope(actor_of(info))
    [found] = await load_messages(info, [ids.find(Kind.MESSAGE, id)])
    return found


@requires(account=True)
async def messages(
    info: Info,
    window: Window[UUID],
    status: Annotated[
        MessageStatus | None, argument(description="Only outbound messages with this status.")
    ] = None,
    search: Annotated[
        str | None,
        argument(
            description="Only messages with this in their number or text, ignoring case. Of each"
            " direction, the search looks through the 50,000 newest messages: give"
            " `filter.createdBefore` to search older ones."
        ),
    ] = None,
    filter: Annotated[MessageFilter | None, argument(description="Which messages to list.")] = None,
) -> Page[AnyMessage] | Page[Message]:
    """The actor's messages in both directions, newest first; only outbound ones have a status."""
    scope, store = message_scope(actor_of(info)), info.context.installation.store
    wanted = _message_filter(info, status, filter)
    if not wanted.is_outbound:
        return await store.read_any_messages(scope, window, filter=wanted, search=search_of(search))
    if wanted.direction is Direction.INBOUND:
        return NO_MESSAGES
    return await store.read_messages(scope, window, filter=wanted, search=search_of(search))


@requires(account=True)
async def message_stats(
    info: Info,
    by: Annotated[Period, argument(description="The length of a period.")],
    starts_at: Annotated[
        datetime, argument(name="from", description="Messages created at this time or later.")
    ],
    ends_at: Annotated[
        datetime, argument(name="to", description="Messages created before this time.")
    ],
    client_id: Annotated[
        ID | None, argument(description="Only messages of this client. For an admin.")
    ] = None,
) -> list[MessageStat]:
    """Counts of the actor's outbound messages over time, or of the given client's."""
    actor, store = actor_of(info), info.context.installation.store
    scope = message_scope(actor)
    named_id = ids.decode_given(Kind.CLIENT, client_id)
    if named_id not in (None, actor.client_id):
        [client] = await load_clients(info, [named_id])
        if actor.role is not Role.ADMIN or client is None:
            raise NotFound("client")
    periods = periods_of(by, starts_at, ends_at)
    rows = await store.read_message_stats(scope, by, starts_at, ends_at, client_id=named_id)
    return stats_of(periods, rows)


async def sends_of(roots: Sequence[AnyMessage], info: Info) -> list[Send | None]:
    """The send of each message; None for an inbound one."""
    return await load_sends(info, [root.send_id for root in roots])


async def messages_of(
    roots: Sequence[Send],
    info: Info,
    window: Window[UUID],
    status: Annotated[
        MessageStatus | None, argument(description="Only messages with this status.")
    ] = None,
) -> list[Page[Message]]:
    """A page of the messages of each send."""
    scope, store = message_scope(actor_of(info)), info.context.installation.store
    ids = [root.id for root in roots]
    found = await store.read_messages_of_sends(scope, ids, window, status=status)
    return [found[each] for each in ids]


@requires(Role.ADMIN)
async def clients_of(roots: Sequence[Send | AnyMessage], info: Info) -> list[Client | None]:
    """The client of each. Only for admins."""
    return await load_clients(info, [root.client_id for root in roots])


@requires(Role.ADMIN)
def modem_of(root: AnyMessage, info: Info) -> str | None:
    """The modem that it came or goes through. None for a send that is not a reply."""
    return root.modem


@requires(Role.ADMIN)
def port_of(root: AnyMessage, info: Info) -> str | None:
    """The port that it came or goes through. None for a send that is not a reply."""
    return root.port


def counts_of(root: Send | MessageStat) -> Counts:
    """The counts, each under its name."""
    return Counts(**{status.value.lower(): count for status, count in root.counts.items()})


def encoding_of(root: AnyMessage) -> Encoding:
    """The encoding of its text."""
    return encoding_of_text(root.text)


def segments_of(root: AnyMessage) -> int:
    """The number of segments of its text."""
    return segments_of_text(root.text)


def _send_filter(filter: SendFilter) -> lists.SendFilter:
    return lists.SendFilter(
        created_after=filter.created_after,
        created_before=filter.created_before,
        kind=filter.kind,
        client_id=_matched_id(Kind.CLIENT, filter.client_id),
        scheduled=filter.scheduled,
    )


def _message_filter(
    info: Info, status: MessageStatus | None, filter: MessageFilter | None
) -> lists.MessageFilter:
    if filter is None:
        return lists.MessageFilter(status)
    if status is not None and filter.status is not None:
        raise InvalidInput("Give status or filter.status, not both.", field="status")
    return lists.MessageFilter(
        status=status or filter.status,
        direction=filter.direction,
        number=None if filter.number is None else _number(info, filter.number),
        created_after=filter.created_after,
        created_before=filter.created_before,
        send_id=_matched_id(Kind.SEND, filter.send_id),
    )


def _matched_id(kind: Kind, id: ID | None) -> UUID | None:
    """The UUID that a filter compares with. An ID that cannot exist matches nothing."""
    return None if id is None else ids.find(kind, id) or NO_ID


def _number(info: Info, given: str) -> str:
    """A number as it is stored. Other text is kept: it may be the name of a sender."""
    written = search_of(given, field="number") or ""
    (number,) = info.context.installation.normaliser.normalise_many([written])
    return number or written
