"""Opting out and in: a number that asked not to be written to, client by client.

What waits for such a number is called back, and its charge given back. What is captured later is
looked at then: a client's feed is locked by both, so that neither misses what the other does.
"""

from __future__ import annotations

from collections.abc import Sequence

from domain.dispatch.settlement import OPTED_OUT, post_refunds
from domain.inbox.arrivals import Arrival, OptOut
from domain.inbox.ports import Correspondence, OptOuts
from domain.transactions import Transaction


async def heed_wishes(store: OptOuts, tx: Transaction, arrivals: Sequence[Arrival]) -> None:
    """Opts numbers out and in as their messages ask, in order; what is QUEUED is called back."""
    last: dict[Correspondence, Arrival] = {}
    out: dict[Correspondence, Arrival] = {}
    for arrival in arrivals:
        if arrival.opts_out:
            out[arrival.correspondence] = arrival
        if arrival.opts_out or arrival.opts_in:
            last[arrival.correspondence] = arrival
    opt_outs = [_opt_out(each) for each in last.values() if each.opts_out]
    lifted = [pair for pair, each in last.items() if each.opts_in]
    if opt_outs:
        await store.write_opt_outs(tx, opt_outs)
    if lifted:
        await store.drop_opt_outs(tx, lifted)
    await call_back(store, tx, list(out))


async def call_back(store: OptOuts, tx: Transaction, pairs: Sequence[Correspondence]) -> int:
    """What is captured and QUEUED to them is CANCELLED and given back. Returns how many."""
    if not pairs:
        return 0
    upstream_ids = await store.upstreams_queued_to(tx, pairs)
    upstreams = {each: await store.lock_upstream(tx, each) for each in sorted(upstream_ids)}
    if not upstreams:
        return 0
    called_back = await store.call_back_queued_to(tx, list(upstreams), pairs, failure=OPTED_OUT)
    if called_back:
        payers = {each.refund.payer_account_id for each in called_back}
        book = await store.lock_accounts(tx, list(payers))
        for each in called_back:
            # Never marked, hence in no reading: it comes back from outside, whatever the epoch.
            post_refunds(book, upstreams[each.provider_account_id], [each.refund])
        await store.write_book(tx, book)
    return sum(each.refund.count for each in called_back)


def _opt_out(arrival: Arrival) -> OptOut:
    source = arrival.opts_out
    assert source is not None
    return OptOut(arrival.client_id, arrival.number, source, arrival.id)
