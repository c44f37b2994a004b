"""Each change is announced by a hint, right after its commit."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.dispatch.cancel import cancel_send
from domain.dispatch.settle import settle_unknown
from domain.errors import ProviderUnavailable
from domain.identity.access import Role
from domain.identity.clients import ClientChange, GroupChange, update_client, update_group
from domain.ledger.allocate import AllocationRequest, allocate
from domain.ledger.sync import SyncRules, sync
from domain.live import hints
from domain.live.hints import EVERYTHING, Topic, id_of
from domain.numbers import Normaliser
from domain.provider import Accepted, Rejected, Unknown
from ibiki.live.bus import packed, unpacked
from persistence import store
from persistence.database import listen, note, transaction
from tests import db
from tests.dispatch.parts import answered, lease_passes, marked
from tests.installations import App

TOPICS = st.builds(
    lambda kind, id: kind + id.bytes,
    st.sampled_from([hints.ACCOUNT, hints.BELOW, hints.POOL, hints.SEND, hints.MESSAGE]),
    st.uuids(),
)


@given(st.sets(TOPICS, max_size=1_000), st.integers(min_value=100, max_value=8_000))
def test_topics_travel_in_texts_that_are_short_enough(topics: set[Topic], longest: int) -> None:
    texts = list(packed(topics, longest=longest))
    assert set().union(*map(unpacked, texts)) == topics
    assert all(len(text) <= longest for text in texts)


@pytest.mark.parametrize("text", ["", "not base 64: \x7f", "0000", "-"])
def test_a_text_that_cannot_be_read_means_everything_or_nothing(text: str) -> None:
    assert unpacked(text) in ({EVERYTHING}, set())


class HintListener:
    """Keeps the hints of this process."""

    def __init__(self) -> None:
        self.arrived: set[Topic] = set()

    def __call__(self, topics: Collection[Topic]) -> None:
        self.arrived |= set(topics)

    def take(self) -> set[Topic]:
        """The hints since the last call."""
        arrived, self.arrived = self.arrived, set()
        return arrived


@pytest.fixture
def listener(people: App) -> Iterator[HintListener]:
    made = HintListener()
    stop = listen(made)
    yield made
    stop()


async def test_nothing_is_published_before_the_commit(listener: HintListener, people: App) -> None:
    topic = hints.SEND + people.owner.client_id.bytes
    async with transaction() as tx:
        note(tx, [topic])
        assert listener.arrived == set()
    assert listener.arrived == {topic}


async def test_hints_of_a_failed_transaction_are_published_too(
    listener: HintListener, people: App
) -> None:
    topic = hints.SEND + people.owner.client_id.bytes

    async def fail() -> None:
        async with transaction() as tx:
            note(tx, [topic])
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await fail()
    assert listener.arrived == {topic}


async def test_a_listener_that_fails_does_not_affect_others(
    listener: HintListener, people: App, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(topics: Collection[Topic]) -> None:
        raise RuntimeError("deaf")

    stop = listen(fail)
    await db.accept(people.owner)
    stop()
    assert listener.arrived
    assert "a listener to hints failed" in caplog.text


async def test_a_charge_hints_at_each_account_that_shows_it(
    listener: HintListener, people: App
) -> None:
    await db.accept(people.owner)
    assert listener.take() == {
        hints.ACCOUNT + people.owner.account_id.bytes,
        hints.BELOW + people.group.account_id.bytes,
        hints.POOL + people.pool.id.bytes,
    }


async def test_an_allocation_hints_at_both_accounts(listener: HintListener, people: App) -> None:
    await allocate(store, db.ADMIN, AllocationRequest(people.loner.client_id, None, 5))
    arrived = listener.take()
    assert hints.ACCOUNT + people.loner.account_id.bytes in arrived
    assert hints.ACCOUNT + people.pool.account_id.bytes in arrived


async def test_each_step_of_a_message_is_announced(listener: HintListener, people: App) -> None:
    send = await db.accept(people.owner)
    listener.take()
    (call,) = await marked(people.pool)
    message = hints.MESSAGE + call.messages[0].id.bytes
    assert {message, hints.SEND + send.id.bytes} <= listener.take()
    await answered(people.pool, call, Rejected("no"))
    arrived = listener.take()
    assert {message, hints.SEND + send.id.bytes, hints.POOL + people.pool.id.bytes} <= arrived
    assert hints.ACCOUNT + people.owner.account_id.bytes in arrived  # the refund


async def test_an_accepted_message_hints_at_the_units_in_flight(
    listener: HintListener, people: App
) -> None:
    await db.accept(people.owner)
    (call,) = await marked(people.pool)
    listener.take()
    await answered(people.pool, call, Accepted("ref"))
    assert hints.POOL + people.pool.id.bytes in listener.take()


async def test_a_sweep_and_a_late_result_are_announced(listener: HintListener, people: App) -> None:
    await db.accept(people.owner, 2)
    first, second = [each for call in await marked(people.pool, batch=1) for each in [call]]
    await lease_passes(first)
    arrived = listener.take()
    message = hints.MESSAGE + first.messages[0].id.bytes
    assert {message, hints.POOL + people.pool.id.bytes} <= arrived
    await settle_unknown(store, db.ADMIN, first.messages[0].id, taken=True, note="asked by phone")
    assert message in listener.take()
    await answered(people.pool, second, Unknown("?"))
    assert hints.MESSAGE + second.messages[0].id.bytes in listener.take()


async def test_cancelling_hints_at_the_send_and_at_its_only_message(
    listener: HintListener, people: App
) -> None:
    many, single = await db.accept(people.owner, 3), await db.accept(people.owner)
    for send, changed in (
        (many, hints.MESSAGES + many.id.bytes),
        (single, hints.MESSAGE + single.message_ids[0].bytes),
    ):
        listener.take()
        await cancel_send(store, people.owner.actor, send.id)
        hinted = listener.take()
        assert {hints.SEND + send.id.bytes, changed} <= hinted
        assert (hints.MESSAGES + send.id.bytes in hinted) == (send is many)


async def test_a_reading_is_announced_whether_it_worked_or_not(
    listener: HintListener, people: App
) -> None:
    account = await store.find_provider_account(None)
    people.upstream.balance_word = "1000"
    await sync(store, people.upstream, account, actor_id=None, rules=SyncRules())
    assert hints.POOL + people.pool.id.bytes in listener.take()
    people.upstream.balance_word = None
    with pytest.raises(ProviderUnavailable):
        await sync(store, people.upstream, account, actor_id=None, rules=SyncRules())
    assert hints.POOL + people.pool.id.bytes in listener.take()


async def test_terms_and_moves_are_announced(listener: HintListener, people: App) -> None:
    await update_group(store, people.group.id, GroupChange(rate_per_unit_usd=Decimal("0.05")))
    assert hints.ACCOUNT + people.group.account_id.bytes in listener.take()
    change = ClientChange(group_id=people.other_group.id)
    await update_client(store, Normaliser(), people.owner.client_id, change)
    assert {
        hints.ACCOUNT + people.owner.account_id.bytes,
        hints.BELOW + people.group.account_id.bytes,
        hints.BELOW + people.other_group.account_id.bytes,
    } <= listener.take()


def test_a_topic_says_what_it_is_about() -> None:
    actor = db.ADMIN
    assert actor.role is Role.ADMIN
    assert id_of(hints.SEND + actor.user_id.bytes) == actor.user_id
