"""What is watched by a subscription: settled from who is asking, before anything is read.

A resolver returns a watch and no iterator: `domain.live.hub` reads it once for all who watch the
same with the same rights.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any
from uuid import UUID

from strawberry import ID

from domain.identity.access import Everything, Role, Scope, feed_scope, message_scope
from domain.inbox.conversations import Conversation
from domain.inbox.webhooks import WebhookEvent
from domain.installation import Store
from domain.ledger.balances import Balances, view_of
from domain.live import hints
from domain.live.changes import ReadChanged
from domain.live.hints import Topic
from domain.live.watching import Changes, Feed, Present
from domain.pages import Window
from domain.sending.sends import Message, Send
from resolvers import ids
from resolvers.context import Info, actor_of
from resolvers.ids import Kind

BEGIN_SECONDS = 5.0
"""What has changed in so long a time before is told first: between a query and its subscription
nothing is lost."""

FIRST: Window[UUID] = Window(size=100)


async def balance_updated(info: Info, client_id: ID | None = None) -> Present[Balances]:
    """The figures that the actor sees, or those of the client named."""
    actor = actor_of(info)
    view = view_of(actor, None if client_id is None else ids.decode(Kind.CLIENT, client_id))
    return Present(
        read=partial(info.context.installation.store.read_balances, view),
        topics_of=topics_of_balances,
        version_of=lambda balances: balances.version,
    )


async def send_progress(info: Info, send_id: ID) -> Present[Send]:
    """A send, until it is finished."""
    scope = message_scope(actor_of(info))
    key = ids.decode(Kind.SEND, send_id)
    return Present(
        read=partial(info.context.installation.store.find_send, scope, key),
        topics_of=lambda send: frozenset({hints.SEND + send.id.bytes}),
        is_last=lambda send: send.finished,
    )


async def message_updated(info: Info, send_id: ID | None = None) -> Changes[Message]:
    """The actor's messages, or those of one send."""
    scope, store = message_scope(actor_of(info)), info.context.installation.store
    if send_id is None:
        begin = _just_now(store.read_changed_messages, scope)
        return Changes(kind=hints.MESSAGE, scope=scope, begin=begin)
    send = await store.find_send(scope, ids.decode(Kind.SEND, send_id))
    return Changes(
        kind=hints.MESSAGE,
        scope=scope,
        begin=partial(_newest, store, scope, send.id),
        covers=lambda message: message.send_id == send.id,
    )


async def inbound_message(info: Info, since: ID | None = None) -> Feed:
    """What the actor's client receives, behind the message that is named or else from now on."""
    scope, store = feed_scope(actor_of(info)), info.context.installation.store
    if since is None:
        after = await store.last_in_feed(scope)
    else:
        after = (await store.find_inbound(scope, ids.decode(Kind.MESSAGE, since))).feed
    return Feed(
        client_id=scope.client_id,
        after=after,
        read=lambda after, most: store.read_feed(scope, after=after, most=most),
    )


async def conversation_updated(info: Info) -> Changes[Conversation]:
    """The actor's conversations."""
    scope = message_scope(actor_of(info))
    begin = _just_now(info.context.installation.store.read_changed_conversations, scope)
    return Changes(kind=hints.CONVERSATION, scope=scope, begin=begin)


async def webhook_received(info: Info) -> Changes[WebhookEvent]:
    """What providers call with, and what becomes of it."""
    actor_of(info, Role.ADMIN)
    scope = Everything()
    begin = _just_now(info.context.installation.store.read_changed_events, scope)
    return Changes(kind=hints.EVENT, scope=scope, begin=begin)


def topics_of_balances(balances: Balances) -> frozenset[Topic]:
    """What changes any of the figures."""
    topics: set[Topic] = set()
    if balances.account is not None:
        topics.add(hints.ACCOUNT + balances.account.account_id.bytes)
    if balances.group is not None:
        node = balances.group.account_id.bytes
        topics |= {hints.ACCOUNT + node, hints.BELOW + node}
    if balances.platform is not None:
        topics.add(hints.POOL + balances.platform.provider_account_id.bytes)
    return frozenset(topics)


def _just_now(read: ReadChanged, scope: Scope) -> Callable[[], Awaitable[Sequence[Any]]]:
    """Reads what has changed in the last seconds."""

    async def begin() -> Sequence[Any]:
        return (await read([scope], since=None, overlap_seconds=BEGIN_SECONDS)).items

    return begin


async def _newest(store: Store, scope: Scope, send_id: UUID) -> Sequence[Message]:
    """A page of the send's messages as they stand: whoever wants all of them reads its pages."""
    pages = await store.read_messages_of_sends(scope, [send_id], FIRST)
    return list(reversed(pages[send_id].items))
