"""A commit that is lost on the way: charged once, told once, whatever became of the first try."""

from __future__ import annotations

import asyncio

import pytest

from domain.errors import InsufficientBalance, TryAgain
from domain.sending import accept
from domain.sending.accept import LARGE, Refused, Taken, accept_alone, accept_batch
from domain.sending.sends import NewSend
from persistence import store
from tests import worlds
from tests.ledger.line import Line, Moment, line_to
from tests.ledger.sends import accepting, charges, keyed, messages_of, sent

COUNTS = pytest.mark.parametrize("count", [1, LARGE])
KEYS = pytest.mark.parametrize("key", [None, "k"])

# Runs in the server's COMMIT, so that a line can be cut off while that is still under way.
SLOW_COMMIT = """
CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN PERFORM pg_sleep(0.5); RETURN NULL; END $$;
CREATE CONSTRAINT TRIGGER dawdle AFTER INSERT ON send DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW EXECUTE FUNCTION dawdle()
"""


@KEYS
@COUNTS
@pytest.mark.parametrize("alone", [False, True])
@pytest.mark.parametrize("moment", Moment)
async def test_a_lost_commit_is_found_or_repeated_and_charged_once(
    line: Line, moment: Moment, alone: bool, count: int, key: str | None
) -> None:
    client = await worlds.add_client(await worlds.add_pool(default=False), held=count)
    send = _send(client, count, key)
    line.cut_at("COMMIT", moment)
    async with accepting() as acceptance:
        verdict = await (accept_alone(store, send) if alone else acceptance.accept(send))
    assert line.cuts == 1
    assert sent(verdict) == send.id
    assert await charges(client.account_id) == [count]
    assert await messages_of(client.client_id) == count
    assert await worlds.held(client.account_id) == 0
    await worlds.assert_audit_holds()


@KEYS
@COUNTS
@pytest.mark.parametrize("alone", [False, True])
async def test_a_lost_commit_that_is_still_under_way_is_waited_for(
    database_url: str, alone: bool, count: int, key: str | None
) -> None:
    async with line_to(database_url) as line, worlds.connected(line.url):
        client = await worlds.add_client(await worlds.add_pool(), held=count)
        await worlds.execute(SLOW_COMMIT)
        send = _send(client, count, key)
        line.cut_at("COMMIT", Moment.UNANSWERED)
        async with accepting() as acceptance:
            verdict = await (accept_alone(store, send) if alone else acceptance.accept(send))
        assert line.cuts == 1
        assert sent(verdict) == send.id
        assert await charges(client.account_id) == [count]
        assert await messages_of(client.client_id) == count
        await worlds.assert_audit_holds()


async def test_of_a_batch_whose_commit_was_lost_each_is_told_what_it_would_have_been(
    line: Line,
) -> None:
    upstream = await worlds.add_pool(default=False)
    client, poor = [await worlds.add_client(upstream, held=held) for held in (10, 0)]
    sends = [
        keyed(worlds.new_send(client, 4), "a"),
        worlds.new_send(client, 7),  # too much
        keyed(worlds.new_send(client, 4), "a"),  # the first again
        worlds.new_send(poor),
        worlds.new_send(client, 6),
        worlds.new_send(client),  # nothing is left
    ]
    line.cut_at("COMMIT", Moment.UNANSWERED)
    verdicts = await accept_batch(store, sends)
    assert line.cuts == 1
    told = [None if isinstance(each, Refused) else sent(each) for each in verdicts]  # type: ignore[arg-type]
    assert told == [sends[0].id, None, sends[0].id, None, sends[4].id, None]
    assert await charges(client.account_id) == [4, 6]
    await worlds.assert_audit_holds()


@COUNTS
async def test_a_refusal_whose_commit_was_lost_is_kept_once(line: Line, count: int) -> None:
    client = await worlds.add_client(await worlds.add_pool(default=False), held=count - 1)
    line.cut_at("COMMIT", Moment.UNANSWERED)
    async with accepting() as acceptance:
        first = await acceptance.accept(_send(client, count, "k"))
        await worlds.open_with(client.account_id, 5)
        second = await acceptance.accept(_send(client, count, "k"))
    assert line.cuts == 1
    for verdict in (first, second):
        assert isinstance(verdict, Refused)
        assert isinstance(verdict.refusal, InsufficientBalance)
        assert verdict.refusal.available == count - 1
    assert await charges(client.account_id) == []


@KEYS
@COUNTS
@pytest.mark.parametrize("alone", [False, True])
async def test_an_outage_says_try_again_and_leaves_the_key_unused(
    line: Line, monkeypatch: pytest.MonkeyPatch, alone: bool, count: int, key: str | None
) -> None:
    monkeypatch.setattr(accept, "PAUSES_SECONDS", (0, 0.001, 0.001))
    client = await worlds.add_client(await worlds.add_pool(default=False), held=count)
    line.cut_at("BEGIN", Moment.UNSENT, times=3)
    async with accepting() as acceptance:
        ask = acceptance.accept if not alone else _accept_alone
        verdict = await ask(_send(client, count, key))
        assert isinstance(verdict, Refused)
        assert isinstance(verdict.refusal, TryAgain)
        assert isinstance(await ask(_send(client, count, key)), Taken)
    assert await charges(client.account_id) == [count]


async def test_many_sends_over_a_line_that_is_cut_again_and_again_are_each_charged_once(
    line: Line,
) -> None:
    client = await worlds.add_client(await worlds.add_pool(default=False), held=10_000)
    acknowledged = set()

    async def send_on(accepts: accept.Acceptance) -> None:
        for _ in range(10):
            verdict = await accepts.accept(worlds.new_send(client))
            assert isinstance(verdict, Taken)
            acknowledged.add(verdict.send.id)

    async with accepting() as acceptance:
        senders = [asyncio.create_task(send_on(acceptance)) for _ in range(20)]
        for moment in (Moment.UNANSWERED, Moment.ANSWERED, Moment.UNSENT) * 2:
            line.cut_at("COMMIT", moment)
            cuts = line.cuts + 1
            async with asyncio.timeout(20):
                while line.cuts < cuts and not all(  # noqa: ASYNC110 - the senders' work
                    each.done() for each in senders
                ):
                    await asyncio.sleep(0.001)
        await asyncio.gather(*senders)
    rows = await worlds.fetch("SELECT id FROM send WHERE client_id = $1", client.client_id)
    assert {row["id"] for row in rows} == acknowledged
    assert len(acknowledged) == 200
    assert await charges(client.account_id) == [1] * 200
    await worlds.assert_audit_holds()


async def test_a_large_send_of_a_poor_payer_is_refused_before_a_row_is_written(line: Line) -> None:
    client = await worlds.add_client(await worlds.add_pool(default=False), held=LARGE)
    line.cut_at("COPY", Moment.UNSENT)
    verdict = await accept_alone(store, worlds.new_send(client, LARGE + 1))
    assert isinstance(verdict, Refused)
    assert vars(verdict.refusal) == {
        "required": LARGE + 1,
        "available": LARGE,
        "unit": "credit",
    }
    assert line.cuts == 0


def _send(client: worlds.Tenant, count: int, key: str | None) -> NewSend:
    send = worlds.new_send(client, count)
    return keyed(send, key) if key else send


async def _accept_alone(send: NewSend) -> accept.Verdict:
    return await accept_alone(store, send)
