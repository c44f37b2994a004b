"""What is watched by a subscription: settled from who is asking, before anything is read.

A resolver returns a watch and no iterator: `domain.live.hub` reads it once for all who watch the
same with the same rights.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from uuid import UUID

from strawberry import ID

from domain.access import Scope, message_scope
from domain.house import Store
from domain.live import hints
from domain.live.hints import Topic
from domain.live.watching import MessageChanges, Present
from domain.pages import Window
from domain.reading.balances import Balances, view_of
from domain.sending import Message, Send
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
        read=partial(info.context.house.store.read_balances, view),
        topics_of=topics_of_balances,
        version_of=lambda balances: balances.version,
    )


async def send_progress(info: Info, send_id: ID) -> Present[Send]:
    """A send, until it is finished."""
    scope = message_scope(actor_of(info))
    key = ids.decode(Kind.SEND, send_id)
    return Present(
        read=partial(info.context.house.store.find_send, scope, key),
        topics_of=lambda send: frozenset({hints.SEND + send.id.bytes}),
        is_last=lambda send: send.finished,
    )


async def message_updated(info: Info, send_id: ID | None = None) -> MessageChanges:
    """The actor's messages, or those of one send."""
    scope, store = message_scope(actor_of(info)), info.context.house.store
    if send_id is None:
        return MessageChanges(
            scope=scope, send_id=None, begin=partial(_changed_just_now, store, scope)
        )
    send = await store.find_send(scope, ids.decode(Kind.SEND, send_id))
    return MessageChanges(
        scope=scope, send_id=send.id, begin=partial(_newest, store, scope, send.id)
    )


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


async def _changed_just_now(store: Store, scope: Scope) -> Sequence[Message]:
    found = await store.read_changed_messages([scope], since=None, overlap_seconds=BEGIN_SECONDS)
    return found.messages


async def _newest(store: Store, scope: Scope, send_id: UUID) -> Sequence[Message]:
    """A page of the send's messages as they stand: whoever wants all of them reads its pages."""
    pages = await store.read_messages_of_sends(scope, [send_id], FIRST)
    return list(reversed(pages[send_id].items))
