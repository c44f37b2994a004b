"""A COMMIT whose answer is lost: the send is charged once, also if the first try was kept."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from uuid import UUID

import pytest

from domain.errors import InsufficientBalance, OutcomeUnknown, TryAgain
from domain.sending import accept
from domain.sending.accept import (
    COPY_FROM,
    AcceptedBefore,
    AcceptedNow,
    AcceptResult,
    Postponed,
    Refused,
    accept_batch,
)
from domain.sending.acceptor import Acceptor
from domain.sending.messages import NewSend
from persistence import store
from tests import db
from tests.clocks import PATIENCE_SECONDS
from tests.ledger.cutting_proxy import CuttingProxy, Moment, proxy_to
from tests.ledger.sends import accept_single, accepting, charges, keyed, messages_of, sent

COUNTS = pytest.mark.parametrize("count", [1, COPY_FROM])
KEYS = pytest.mark.parametrize("key", [None, "k"])

# Runs in the COMMIT of the server, so that a connection can be cut while it is under way.
SLOW_COMMIT = """
CREATE FUNCTION commit_slowly() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN PERFORM pg_sleep(0.5); RETURN NULL; END $$;
CREATE CONSTRAINT TRIGGER commit_slowly AFTER INSERT ON send DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW EXECUTE FUNCTION commit_slowly()
"""


@KEYS
@COUNTS
@pytest.mark.parametrize("alone", [False, True])
@pytest.mark.parametrize("moment", Moment)
async def test_a_lost_commit_is_found_or_repeated_and_charged_once(
    proxy: CuttingProxy, moment: Moment, alone: bool, count: int, key: str | None
) -> None:
    client = await db.add_client(await db.add_pool(default=False), held=count)
    send = _send(client, count, key)
    proxy.cut_at("COMMIT", moment)
    async with accepting() as acceptor:
        result = await (accept_single(send) if alone else acceptor.accept(send))
    assert proxy.cuts == 1
    assert sent(result) == send.id
    assert await charges(client.account_id) == [count]
    assert await messages_of(client.client_id) == count
    assert await db.held(client.account_id) == 0
    await db.assert_audit_holds()


@KEYS
@COUNTS
@pytest.mark.parametrize("alone", [False, True])
async def test_a_lost_commit_that_is_still_under_way_is_waited_for(
    database_url: str, alone: bool, count: int, key: str | None
) -> None:
    async with proxy_to(database_url) as proxy, db.connected(proxy.url):
        client = await db.add_client(held=count)
        await db.execute(SLOW_COMMIT)
        send = _send(client, count, key)
        proxy.cut_at("COMMIT", Moment.UNANSWERED)
        async with accepting() as acceptor:
            result = await (accept_single(send) if alone else acceptor.accept(send))
        assert proxy.cuts == 1
        assert sent(result) == send.id
        assert await charges(client.account_id) == [count]
        assert await messages_of(client.client_id) == count
        await db.assert_audit_holds()


async def test_after_a_lost_commit_each_send_of_a_batch_gets_its_own_result(
    proxy: CuttingProxy,
) -> None:
    upstream = await db.add_pool(default=False)
    client, poor = [await db.add_client(upstream, held=held) for held in (10, 0)]
    sends = [
        keyed(db.new_send(client, 4), "a"),
        db.new_send(client, 7),  # too much
        keyed(db.new_send(client, 4), "a"),  # the first again
        db.new_send(poor),
        db.new_send(client, 6),
        db.new_send(client),  # nothing is left
    ]
    proxy.cut_at("COMMIT", Moment.UNANSWERED)
    results = await accept_batch(store, sends)
    assert proxy.cuts == 1
    answers = [None if isinstance(each, Refused) else sent(each) for each in results]
    assert answers == [sends[0].id, None, sends[0].id, None, sends[4].id, None]
    assert await charges(client.account_id) == [4, 6]
    await db.assert_audit_holds()


async def test_a_refusal_whose_commit_was_lost_leaves_its_key_unused(proxy: CuttingProxy) -> None:
    client = await db.add_client(await db.add_pool(default=False), held=2)
    proxy.cut_at("COMMIT", Moment.UNANSWERED)
    async with accepting() as acceptor:
        refused = await acceptor.accept(_send(client, 3, "k"))
        assert isinstance(refused, Refused)
        assert isinstance(refused.refusal, InsufficientBalance)
        await db.open_with(client.account_id, 5)
        assert isinstance(await acceptor.accept(_send(client, 3, "k")), AcceptedNow)
    assert await charges(client.account_id) == [3]


@KEYS
@COUNTS
@pytest.mark.parametrize("alone", [False, True])
@pytest.mark.parametrize("moment", [Moment.UNSENT, Moment.UNANSWERED])
async def test_if_the_outcome_of_a_commit_stays_unknown_the_caller_gets_the_id_of_the_send(
    proxy: CuttingProxy,
    monkeypatch: pytest.MonkeyPatch,
    moment: Moment,
    alone: bool,
    count: int,
    key: str | None,
) -> None:
    monkeypatch.setattr(accept, "PAUSES_SECONDS", (0, 0.001, 0.001))
    client = await db.add_client(await db.add_pool(default=False), held=count)
    send = _send(client, count, key)
    proxy.cut_at("COMMIT", moment)
    proxy.then_cut_at("BEGIN", Moment.UNSENT, times=2)
    async with accepting() as acceptor:
        ask = accept_single if alone else acceptor.accept
        result = await ask(send)
        assert isinstance(result, Refused)
        assert isinstance(result.refusal, OutcomeUnknown)
        assert result.refusal.send_id == send.id
        assert str(send.id) not in result.refusal.message  # an ID is shown in its own form
        await eventually_committed(client, send.id, is_kept=moment is Moment.UNANSWERED)
        if key is not None:
            again = await ask(_send(client, count, key))
            kept = moment is Moment.UNANSWERED
            assert type(again) is (AcceptedBefore if kept else AcceptedNow)
            assert (sent(again) == send.id) is kept
            assert await charges(client.account_id) == [count]
    await db.assert_audit_holds()


async def test_only_sends_of_the_lost_commit_are_in_doubt(
    proxy: CuttingProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accept, "PAUSES_SECONDS", (0, 0.001, 0.001))
    upstream = await db.add_pool(default=False)
    rich, poor = [await db.add_client(upstream, held=held) for held in (10, 0)]
    sends = [db.new_send(rich), db.new_send(poor)]
    proxy.cut_at("COMMIT", Moment.UNANSWERED)
    proxy.then_cut_at("BEGIN", Moment.UNSENT, times=2)
    results = await accept_batch(store, sends)
    refusals = [type(each.refusal) for each in results if isinstance(each, Refused)]
    assert refusals == [OutcomeUnknown, TryAgain]


async def test_a_repeated_send_in_doubt_has_the_id_of_the_first(
    proxy: CuttingProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accept, "PAUSES_SECONDS", (0, 0.001, 0.001))
    client = await db.add_client(await db.add_pool(default=False), held=10)
    first = keyed(db.new_send(client), "k")
    assert isinstance(await accept_single(first), AcceptedNow)
    for again in (accept_single, _in_a_batch):
        proxy.cut_at("COMMIT", Moment.UNSENT)
        proxy.then_cut_at("BEGIN", Moment.UNSENT, times=2)
        result = await again(keyed(db.new_send(client), "k"))
        assert isinstance(result, Refused)
        assert isinstance(result.refusal, OutcomeUnknown)
        assert result.refusal.send_id == first.id


@KEYS
@COUNTS
@pytest.mark.parametrize("alone", [False, True])
async def test_an_outage_before_the_commit_is_try_again_and_leaves_the_key_unused(
    proxy: CuttingProxy, monkeypatch: pytest.MonkeyPatch, alone: bool, count: int, key: str | None
) -> None:
    monkeypatch.setattr(accept, "PAUSES_SECONDS", (0, 0.001, 0.001))
    client = await db.add_client(await db.add_pool(default=False), held=count)
    proxy.cut_at("BEGIN", Moment.UNSENT, times=3)
    async with accepting() as acceptor:
        ask = acceptor.accept if not alone else accept_single
        result = await ask(_send(client, count, key))
        assert isinstance(result, Refused)
        assert isinstance(result.refusal, TryAgain)
        assert isinstance(await ask(_send(client, count, key)), AcceptedNow)
    assert await charges(client.account_id) == [count]


async def test_sends_are_charged_once_although_the_connection_is_cut_again_and_again(
    proxy: CuttingProxy,
) -> None:
    client = await db.add_client(await db.add_pool(default=False), held=10_000)
    acknowledged = set()

    async def send_on(accepts: Acceptor) -> None:
        for _ in range(10):
            result = await accepts.accept(db.new_send(client))
            assert isinstance(result, AcceptedNow)
            acknowledged.add(result.send.id)

    async with accepting() as acceptor:
        senders = [asyncio.create_task(send_on(acceptor)) for _ in range(20)]
        for moment in (Moment.UNANSWERED, Moment.ANSWERED, Moment.UNSENT) * 2:
            proxy.cut_at("COMMIT", moment)
            cuts = proxy.cuts + 1
            async with asyncio.timeout(PATIENCE_SECONDS):
                while proxy.cuts < cuts and not all(  # noqa: ASYNC110 - the senders' work
                    each.done() for each in senders
                ):
                    await asyncio.sleep(0.001)
        await asyncio.gather(*senders)
    rows = await db.fetch("SELECT id FROM send WHERE client_id = $1", client.client_id)
    assert {row["id"] for row in rows} == acknowledged
    assert len(acknowledged) == 200
    assert await charges(client.account_id) == [1] * 200
    await db.assert_audit_holds()


async def test_a_large_send_that_cannot_be_paid_is_refused_before_it_is_written(
    proxy: CuttingProxy,
) -> None:
    client = await db.add_client(await db.add_pool(default=False), held=COPY_FROM)
    proxy.cut_at("COPY", Moment.UNSENT)
    result = await accept_single(db.new_send(client, COPY_FROM + 1))
    assert isinstance(result, Refused)
    assert vars(result.refusal) == {
        "required": COPY_FROM + 1,
        "available": COPY_FROM,
        "unit": "credit",
    }
    assert proxy.cuts == 0


def _send(client: db.Tenant, count: int, key: str | None) -> NewSend:
    send = db.new_send(client, count)
    return keyed(send, key) if key else send


async def _in_a_batch(send: NewSend) -> AcceptResult:
    (result,) = await accept_batch(store, [send])
    assert not isinstance(result, Postponed)
    return result


async def eventually_committed(client: db.Tenant, send_id: UUID, *, is_kept: bool) -> None:
    """The server has ended the transaction of a connection that was cut."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            with suppress(TryAgain):  # the pool may still hold connections that were cut
                rows = await db.fetch("SELECT FROM send WHERE id = $1", send_id)
                if bool(rows) is is_kept:
                    return
            await asyncio.sleep(0.01)
