"""Checks a send, charges it, and answers; or answers with the success that its key has stored."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING
from uuid import UUID

from domain.errors import NotFound, OutcomeUnknown, Refusal, TryAgain
from domain.identity.access import Actor, OfClient, Payer, payer_of
from domain.ledger.idempotency import IdempotencyKey, stored_before
from domain.ledger.sync import sync
from domain.ledger.valuation import value_usd
from domain.sending.accept import AcceptedBefore, AcceptedNow, Refused
from domain.sending.messages import MessageStatus, NewSend, Send

if TYPE_CHECKING:
    from domain.installation import Installation


async def accept_checked(
    installation: Installation,
    actor: Actor,
    key: IdempotencyKey | None,
    check: Callable[[Payer, ExitStack], Awaitable[NewSend]],
) -> Send:
    """Accepts the send that `check` returns. What `check` reserves is free again at the end.

    If `check` refuses it, the success that its key has stored is the answer, if there is one.
    """
    with ExitStack() as reserved:
        try:
            new_send = await check(payer_of(actor), reserved)
        except Refusal as refusal:
            answer = await stored_before(installation.store, key, refusal)
            return await find_accepted(installation, actor, UUID(answer["send"]))
        accepted = await accept(installation, new_send)
    if isinstance(accepted, AcceptedBefore):
        return await find_accepted(installation, actor, accepted.send_id)
    return _just_queued(accepted)


async def accept(installation: Installation, new_send: NewSend) -> AcceptedNow | AcceptedBefore:
    """Charges and queues the send. Raises the refusal if it is not accepted.

    If the balance of the client's own provider account was never read, it is read first.
    """
    if new_send.payer.is_unread:
        await read_balance_once(installation, new_send.payer, new_send.actor_id)
    result = await installation.acceptor.accept(new_send)
    if isinstance(result, Refused):
        raise result.refusal
    return result


async def read_balance_once(
    installation: Installation, payer: Payer, actor_id: UUID | None
) -> None:
    """Reads the balance of the payer's own provider account, unless that was done meanwhile.

    Raises ProviderUnavailable.
    """
    store = installation.store
    account = await store.find_provider_account(payer.provider_account_id)
    if account.is_unread:
        provider = await installation.providers.of(account.id)
        await sync(store, provider, account, actor_id=actor_id, rules=installation.sync_rules)


async def find_accepted(installation: Installation, actor: Actor, send_id: UUID) -> Send:
    """A send that was accepted before, with its present counts."""
    if actor.client_id is None:
        raise NotFound("send")
    try:
        return await installation.store.find_send(OfClient(actor.client_id), send_id)
    except TryAgain as away:
        raise OutcomeUnknown(send_id=send_id) from away


def _just_queued(accepted: AcceptedNow) -> Send:
    new_send = accepted.send
    return Send(
        id=new_send.id,
        client_id=new_send.payer.client_id,
        kind=new_send.kind,
        accepted=new_send.accepted,
        price=new_send.payer.price,
        value_usd=value_usd(new_send.cost, new_send.payer.rate_usd),
        rejected=new_send.rejected,
        rejected_count=new_send.rejected_count,
        counts={MessageStatus.QUEUED: new_send.accepted},
        created_at=accepted.created_at,
        send_at=new_send.send_at,
        held=new_send.held,
        held_until=new_send.last_held_until,
        accepted_as=new_send,
    )
