"""Opting out and in by text, per client, and cancelling the messages that are still queued.

A message that is captured after an opt-out is checked then. Opting out and capturing both lock the
client's feed first, so that one of them sees the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from domain.dispatch.settlement import OPTED_OUT, post_refunds
from domain.inbox.keywords import Keyword
from domain.inbox.messages import ConversationKey, NewInbound, OptOut, OptOutSource
from domain.inbox.ports import OptOuts
from domain.transactions import Transaction

QUESTION_SECONDS = 86_400.0
"""During this time, YES may be the answer to a question and not a request for messages."""


async def apply_opt_outs(
    store: OptOuts, tx: Transaction, messages: Sequence[NewInbound]
) -> set[ConversationKey]:
    """Opts numbers out and in as their messages request, in order.

    The clients' feeds are locked. Returns the numbers to which what is queued must be cancelled.
    """
    asking = [each for each in messages if each.opts_out or each.keyword]
    if not asking:
        return set()
    answers = [each.key for each in asking if each.keyword is Keyword.YES]
    requested = (
        await store.asked_lately(tx, answers, seconds=QUESTION_SECONDS) if answers else set()
    )
    opt_outs: dict[ConversationKey, OptOut] = {}
    lifted: set[ConversationKey] = set()
    for each in asking:
        if each.opts_out:
            _add(opt_outs, each, each.opts_out)
        elif each.keyword is Keyword.START or each.key not in requested:
            lifted.add(each.key)
            if each.key in opt_outs and opt_outs[each.key].source is OptOutSource.KEYWORD:
                del opt_outs[each.key]
    if lifted:
        await store.drop_opt_outs(tx, sorted(lifted), by_text=True)
    if opt_outs:
        await store.write_opt_outs(tx, list(opt_outs.values()))
    return {each.key for each in asking if each.opts_out}


async def opt_out_by_hand(
    store: OptOuts, tx: Transaction, client_id: UUID, numbers: Sequence[str]
) -> None:
    """Opts numbers out as a person records it, and cancels what is queued to them.

    The client's feed is locked. START does not lift such an opt-out.
    """
    opt_outs = [OptOut(client_id, number, OptOutSource.PERSON) for number in numbers]
    await store.write_opt_outs(tx, opt_outs)
    await cancel_queued_to(store, tx, [(client_id, number) for number in sorted(numbers)])


async def cancel_queued_to(store: OptOuts, tx: Transaction, keys: Sequence[ConversationKey]) -> int:
    """Cancels and refunds captured QUEUED messages to these numbers. Returns how many."""
    if not keys:
        return 0
    upstream_ids = await store.upstreams_queued_to(tx, keys)
    upstreams = {each: await store.lock_provider_account(tx, each) for each in sorted(upstream_ids)}
    if not upstreams:
        return 0
    cancelled = await store.cancel_messages_to(tx, list(upstreams), keys, failure=OPTED_OUT)
    if cancelled:
        payers = {each.refund.payer_account_id for each in cancelled}
        book = await store.lock_accounts(tx, list(payers))
        for each in cancelled:
            # A message that was never submitted is in no reading of the provider's balance. Its
            # refund comes from outside the pool, whatever the epoch is.
            post_refunds(book, upstreams[each.provider_account_id], [each.refund])
        await store.write_book(tx, book)
    return sum(each.refund.count for each in cancelled)


def _add(
    opt_outs: dict[ConversationKey, OptOut], message: NewInbound, source: OptOutSource
) -> None:
    """A provider's report has precedence over a keyword: START does not lift it."""
    known = opt_outs.get(message.key)
    if known is None or known.source is OptOutSource.KEYWORD:
        opt_outs[message.key] = OptOut(message.client_id, message.number, source, message.id)
