"""What each subscription watches, decided from the actor before anything is read.

A resolver returns a watch instead of an iterator: `domain.live.hub` reads it once for all
subscribers that watch the same thing with the same rights.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Annotated
from uuid import UUID

from strawberry import ID, argument

from domain import ids
from domain.identity.access import Everything, Role, Scope, feed_scope, message_scope
from domain.ids import Kind
from domain.installation import Store
from domain.ledger.audits import Audit, AuditState
from domain.ledger.balances import Balances, view_of
from domain.ledger.reconciliation import Reconciliation
from domain.live import hints
from domain.live.hints import Topic
from domain.live.ports import ChangePosition
from domain.live.subscriptions import ChangeWatch, FeedWatch, StateWatch
from domain.pages import Window
from domain.sending.messages import Send
from resolvers.context import Info, actor_of, requires

FIRST: Window[UUID] = Window(size=100)


@requires()
async def balance_updated(
    info: Info,
    client_id: Annotated[
        ID | None,
        argument(description="Default: your own account, else your group, else the default pool."),
    ] = None,
) -> StateWatch[Balances]:
    """The balances that the actor can see, or those of the named client."""
    actor = actor_of(info)
    view = view_of(actor, ids.decode_given(Kind.CLIENT, client_id))
    return StateWatch(
        read=partial(info.context.installation.store.read_balances, view),
        topics_of=topics_of_balances,
        version_of=lambda balances: balances.version,
    )


@requires(account=True)
async def send_progress(
    info: Info, send_id: Annotated[ID, argument(description="The ID of the send.")]
) -> StateWatch[Send]:
    """A send and its counts, until it is finished."""
    scope = message_scope(actor_of(info))
    key = ids.decode(Kind.SEND, send_id)
    return StateWatch(
        read=partial(info.context.installation.store.find_send, scope, key),
        topics_of=lambda send: frozenset({hints.SEND + send.id.bytes}),
        is_last=lambda send: send.finished,
    )


@requires(account=True)
async def message_updated(
    info: Info,
    send_id: Annotated[ID | None, argument(description="Only messages of this send.")] = None,
) -> ChangeWatch:
    """The changed messages of the actor's client, or of one send."""
    scope, store = message_scope(actor_of(info)), info.context.installation.store
    if send_id is None:
        return _changes(info, hints.MESSAGE, scope)
    send = await store.find_send(scope, ids.decode(Kind.SEND, send_id))
    return ChangeWatch(
        kind=hints.MESSAGE,
        scope=scope,
        read_first=partial(_newest, store, scope, send.id),
        covers=lambda message: message.send_id == send.id,
    )


@requires(Role.SUPERVISOR, Role.CLIENT, account=True)
async def inbound_message(
    info: Info,
    since: Annotated[
        ID | None,
        argument(
            description="The ID of the last message that you have. The ones after it come first."
        ),
    ] = None,
) -> FeedWatch:
    """The inbound messages of the actor's client: after the named message, or from now on."""
    scope, store = feed_scope(actor_of(info)), info.context.installation.store
    if since is None:
        after = await store.last_in_feed(scope)
    else:
        after = await store.feed_number(scope, ids.decode(Kind.MESSAGE, since))
    return FeedWatch(
        client_id=scope.client_id,
        after=after,
        read=lambda after, most: store.read_feed(scope, after=after, most=most),
    )


@requires(account=True)
async def conversation_updated(info: Info) -> ChangeWatch:
    """The changed conversations of the actor's client."""
    scope = message_scope(actor_of(info))
    return _changes(info, hints.CONVERSATION, scope)


@requires(Role.ADMIN)
async def reconcile_progress(
    info: Info, id: Annotated[ID, argument(description="The ID of the reconciliation.")]
) -> StateWatch[Reconciliation]:
    """A reconciliation, until it is finished."""
    store, key = info.context.installation.store, ids.decode(Kind.RECONCILIATION, id)
    return StateWatch(
        read=partial(store.find_reconciliation, Everything(), key),
        topics_of=lambda run: frozenset({hints.RECONCILIATION + run.id.bytes}),
        version_of=lambda run: run.version,
        is_last=lambda run: run.finished_at is not None,
    )


@requires(Role.ADMIN)
async def ledger_audit_progress(
    info: Info, id: Annotated[ID, argument(description="The ID of the audit.")]
) -> StateWatch[Audit]:
    """An audit, until it is finished or stopped."""
    store, key = info.context.installation.store, ids.decode(Kind.AUDIT, id)
    return StateWatch(
        read=partial(store.find_audit, Everything(), key),
        topics_of=lambda run: frozenset({hints.AUDIT + run.id.bytes}),
        version_of=lambda run: run.version,
        is_last=lambda run: run.state is not AuditState.RUNNING,
    )


@requires(Role.ADMIN)
async def webhook_received(info: Info) -> ChangeWatch:
    """The webhook events of all providers, and their outcomes."""
    return _changes(info, hints.EVENT, Everything())


def topics_of_balances(balances: Balances) -> frozenset[Topic]:
    """The topics that mean a change of any of these figures."""
    topics: set[Topic] = set()
    if balances.account is not None:
        topics.add(hints.ACCOUNT + balances.account.account_id.bytes)
    if balances.group is not None:
        node = balances.group.account_id.bytes
        topics |= {hints.ACCOUNT + node, hints.BELOW + node}
    if balances.platform is not None:
        topics.add(hints.POOL + balances.platform.provider_account_id.bytes)
    return frozenset(topics)


def _changes(info: Info, kind: bytes, scope: Scope) -> ChangeWatch:
    """Changes of a kind within a scope. Starts with the recent ones."""
    store = info.context.installation.store
    read_first = partial(store.recent_changes, scope, kind)
    return ChangeWatch(kind=kind, scope=scope, read_first=read_first)


async def _newest(
    store: Store, scope: Scope, send_id: UUID, _after: ChangePosition | float
) -> Sequence[UUID]:
    """The newest 100 messages of the send: a front end reads the others by pages."""
    pages = await store.read_messages_of_sends(scope, [send_id], FIRST)
    return [message.id for message in pages[send_id].items]
