"""Messages that another account sends: what each pool pays, and when the fallback is used."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

import pytest

from domain.dispatch.cancel import cancel_send
from domain.dispatch.dispatcher import DispatchRunner
from domain.dispatch.recording import reject_expired
from domain.dispatch.rules import Stage
from domain.dispatch.settle import settle_unknown
from domain.identity.access import Everything
from domain.ids import new_id
from domain.inbox.opt_out import opt_out_by_hand
from domain.ledger.reconcile import new_reconciliation, reconcile
from domain.provider import Accepted, NotSent, Outcome, OutgoingMessage, Rejected, Unknown
from domain.sending.accept import AcceptedNow, accept_alone, accept_batch
from domain.sending.messages import NewSend
from domain.sending.recipients import ProviderRoute
from persistence import store
from tests import db
from tests.dispatch.parts import (
    QUICK,
    Scripted,
    answered,
    eventually,
    lease_passes,
    marked,
    statuses_become,
)
from tests.dispatch.program import ByAccount
from tests.dispatch.programs import dies, dispatcher
from tests.ledger.upstream import Upstream, pool_of, synced
from tests.providers.simulated import simulated

pytestmark = pytest.mark.usefixtures("connected")

PRICE, COST, FALLBACK_COST = 2, 3, 5
ACCEPTED, REJECTED, UNKNOWN = Accepted("ref"), Rejected("no"), Unknown("?")
NOT_SENT = NotSent("not reached")
NO_MONEY = NotSent("no money", refuses_account=True)


@dataclass
class Setup:
    """A client in the first pool, and a route of its messages to two other accounts."""

    home: db.Pool
    carrier: db.Pool
    fallback: db.Pool
    client: db.Tenant
    route: ProviderRoute

    async def accept(self, count: int = 1, *, routed: bool = True) -> NewSend:
        """A send of the client, all by the route or all by its own account."""
        send = db.new_send(self.client, count)
        send = replace(send, routes=[self.route] * count if routed else ())
        [result] = await accept_batch(store, [send])
        assert isinstance(result, AcceptedNow)
        return send

    async def pools(self) -> tuple[int, int, int]:
        """What all nodes of the three pools hold."""
        home, carrier, fallback = self.home, self.carrier, self.fallback
        return await pool_of(home), await pool_of(carrier), await pool_of(fallback)

    async def held(self) -> int:
        """What the client holds."""
        return await db.held(self.client.account_id)


async def new_setup(*, price: int = PRICE, over: str = "carrier") -> Setup:
    home = await db.add_pool(held=100, price=price)
    carrier = await db.add_pool(held=100, default=False)
    fallback = await db.add_pool(held=100, default=False)
    client = await db.add_client(home, held=50)
    first = home if over == "home" else carrier
    route = ProviderRoute(new_id(), home.id, "1", first.id, COST, fallback.id, FALLBACK_COST)
    async with store.transaction() as tx:
        await store.add_route(tx, route)
    return Setup(home, first, fallback, client, route)


async def in_flight(pool: db.Pool) -> int:
    rows = await store.read_provider_accounts(Everything())
    return next(each.platform.in_flight for each in rows if each.id == pool.id)


async def test_the_client_pays_its_price_and_the_account_that_sends_pays_the_cost() -> None:
    setup = await new_setup()
    await setup.accept(2)
    assert (await setup.held(), await setup.pools()) == (46, (146, 100, 100))
    assert [await in_flight(each) for each in (setup.home, setup.carrier)] == [4, 0]
    [call] = await marked(setup.carrier)
    assert [await in_flight(each) for each in (setup.home, setup.carrier)] == [4, 0]
    assert await marked(setup.home) == ()
    await answered(setup.carrier, call, ACCEPTED)
    # The pool of the client holds as much as before: its own provider has sent nothing.
    assert (await setup.held(), await setup.pools()) == (46, (150, 94, 100))
    assert await in_flight(setup.home) == 0
    assert await db.held(setup.home.account_id) == 104
    await db.assert_audit_holds()


@pytest.mark.parametrize("is_read", [False, True])
@pytest.mark.parametrize("over", ["carrier", "home"])
@pytest.mark.parametrize(
    ("first", "later", "taken"),
    [
        (ACCEPTED, None, True),
        (REJECTED, None, False),
        (UNKNOWN, None, True),
        (UNKNOWN, True, True),
        (UNKNOWN, False, False),
    ],
)
async def test_every_outcome_leaves_each_pool_as_its_provider_says(
    first: Outcome, later: bool | None, taken: bool, over: str, is_read: bool
) -> None:
    """`is_read`: both accounts are synced while the call is in doubt, if it ever is."""
    setup = await new_setup(over=over)
    providers = {each.id: Upstream(await pool_of(each)) for each in (setup.home, setup.carrier)}
    send = await setup.accept(1)
    [call] = await marked(setup.carrier)
    if taken:
        providers[setup.carrier.id].balance_now -= COST
    await answered(setup.carrier, call, first)
    if is_read:
        for pool in {setup.home.id: setup.home, setup.carrier.id: setup.carrier}.values():
            await synced(pool, providers[pool.id])
    if later is not None:
        [message_id] = send.message_ids
        await settle_unknown(store, db.ADMIN, message_id, taken=later, note="from its log")
    assert await setup.held() == (48 if taken or (later is None and first is UNKNOWN) else 50)
    for pool in (setup.home, setup.carrier):
        assert await pool_of(pool) == providers[pool.id].balance_now, "as the provider says"
    await db.assert_audit_holds()
    run = await reconcile(store, await new_reconciliation(store))
    assert (run.charged_missing, run.refunded_excess) == (0, 0)


@pytest.mark.parametrize(
    "outcome", [NOT_SENT, NotSent("wait", asks_to_wait=True, retry_after_seconds=0)]
)
async def test_a_message_that_was_certainly_not_sent_goes_to_the_fallback_at_its_cost(
    outcome: Outcome,
) -> None:
    setup = await new_setup()
    await setup.accept(2)
    [call] = await marked(setup.carrier)
    await answered(setup.carrier, call, outcome)
    assert (await setup.held(), await setup.pools()) == (46, (146, 100, 100))
    assert await marked(setup.carrier) == ()
    [again] = await marked(setup.fallback)
    await answered(setup.fallback, again, ACCEPTED)
    assert (await setup.held(), await setup.pools()) == (46, (150, 100, 90))
    await db.assert_audit_holds()


@pytest.mark.parametrize(
    "outcome",
    [ACCEPTED, REJECTED, UNKNOWN, NotSent("wait", retry_after_seconds=9), NotSent("a", alone=True)],
)
async def test_no_other_outcome_leads_to_the_fallback(outcome: Outcome) -> None:
    setup = await new_setup()
    await setup.accept(2)
    [call] = await marked(setup.carrier)
    await answered(setup.carrier, call, outcome)
    rows = await db.fetch("SELECT DISTINCT provider_account_id AS id FROM message")
    assert [row["id"] for row in rows] == [setup.carrier.id]
    await db.assert_audit_holds()


async def test_a_message_that_the_fallback_did_not_send_waits_for_the_fallback() -> None:
    setup = await new_setup()
    await setup.accept()
    for pool in (setup.carrier, setup.fallback):
        [call] = await marked(pool)
        await answered(pool, call, NOT_SENT)
    [row] = await db.fetch("SELECT provider_account_id AS id, status FROM message")
    assert (row["id"], row["status"]) == (setup.fallback.id, "QUEUED")


async def test_an_expired_lease_is_charged_like_any_unknown_message() -> None:
    setup = await new_setup()
    await setup.accept(1)
    [call] = await marked(setup.carrier)
    await lease_passes(call)
    assert await db.statuses() == {"UNKNOWN": 1}
    assert await setup.pools() == (150, 97, 100)
    await answered(setup.carrier, call, REJECTED)  # the answer comes late
    assert (await setup.held(), await setup.pools()) == (50, (150, 100, 100))
    await db.assert_audit_holds()


async def test_cancelled_and_opted_out_messages_move_nothing_between_pools() -> None:
    setup = await new_setup()
    send = await setup.accept(3)
    cancelled = await cancel_send(store, setup.client.actor, send.id)
    assert cancelled.charged == 0
    await setup.accept(1)
    await db.execute(
        "INSERT INTO sent_to (client_id, number, message_id)"
        " SELECT client_id, number, id FROM message ON CONFLICT DO NOTHING"
    )
    async with store.transaction() as tx:
        await opt_out_by_hand(store, tx, setup.client.client_id, [send.numbers[0]])
    assert await db.statuses() == {"CANCELLED": 4}
    assert (await setup.held(), await setup.pools()) == (50, (150, 100, 100))
    await db.assert_audit_holds()


async def test_the_validity_of_a_message_ends_in_the_queue_of_the_account_that_sends_it() -> None:
    setup = await new_setup()
    await setup.accept()
    await db.execute("UPDATE send SET expires_at = clock_timestamp()")
    for pool_id in await store.accounts_with_queue():
        await reject_expired(store, pool_id)
    assert await db.statuses() == {"REJECTED": 1}
    assert (await setup.held(), await setup.pools()) == (50, (150, 100, 100))
    await db.assert_audit_holds()


async def test_a_sync_of_either_pool_while_messages_wait_and_move() -> None:
    setup = await new_setup()
    await setup.accept(2)
    await setup.accept(1, routed=False)
    home, carrier = Upstream(150), Upstream(100)
    assert (await synced(setup.home, home)).in_flight == 3 * PRICE
    assert (await synced(setup.carrier, carrier)).in_flight == 0
    [call] = await marked(setup.carrier)
    await answered(setup.carrier, call, ACCEPTED)
    carrier.balance_now -= 2 * COST
    assert await in_flight(setup.home) == PRICE
    for pool, provider in ((setup.home, home), (setup.carrier, carrier)):
        assert (await synced(pool, provider)).change == 0, "the figures agreed before"
    await db.assert_audit_holds()


async def test_a_large_send_is_copied_with_its_routes() -> None:
    setup = await new_setup(price=1)
    await db.open_with(setup.client.account_id, 1_000)
    send = db.new_send(setup.client, 600)
    routes = [setup.route if each % 2 else None for each in range(600)]
    send = replace(send, routes=routes)
    assert isinstance(await accept_alone(store, send, lock_wait_seconds=60), AcceptedNow)
    rows = await db.fetch(
        "SELECT provider_account_id AS id, route_id FROM message ORDER BY message.id"
    )
    assert [row["route_id"] for row in rows] == [each and each.id for each in routes]
    own, other = setup.home.id, setup.carrier.id
    assert [row["id"] for row in rows] == [other if each else own for each in routes]


async def test_the_audit_notices_a_cost_that_is_missing() -> None:
    setup = await new_setup()
    await setup.accept()
    [call] = await marked(setup.carrier)
    await answered(setup.carrier, call, ACCEPTED)
    await db.execute("UPDATE message SET route_charged = NULL")
    with pytest.raises(AssertionError, match="routes moved 0 too much"):
        await db.assert_audit_holds()
    await db.execute("UPDATE message SET route_charged = 3, status = 'CANCELLED'")
    with pytest.raises(AssertionError, match="routes moved 2 too much"):
        await db.assert_audit_holds()


@pytest.mark.parametrize("outcome", [NO_MONEY, NOT_SENT])
async def test_messages_do_not_wait_for_an_account_that_cannot_send(outcome: Outcome) -> None:
    """It refuses the account, or cannot be reached so that the circuit breaker opens."""
    setup = await new_setup(price=1)

    async def fails(_message: OutgoingMessage) -> Outcome:
        return outcome

    first, second = Scripted(fails), Scripted()
    providers = ByAccount({setup.carrier.id: first, setup.fallback.id: second})
    await setup.accept(20)
    for _ in range(20):
        await setup.accept()
    runner = DispatchRunner(store, providers, rules=replace(QUICK, breaker_first_seconds=60))
    runner.start()
    try:
        await statuses_become({"SENT": 40})
    finally:
        await runner.stop()
    assert len(second.seen) == 40
    assert await setup.held() == 10
    assert await setup.pools() == (150, 100, 100 - 40 * FALLBACK_COST)
    await db.assert_audit_holds()


@pytest.mark.parametrize("stage", [Stage.MARKED, Stage.ANSWERED, Stage.RECORDING, Stage.RECORDED])
async def test_no_message_leaves_twice_if_a_dispatcher_is_killed_during_a_fallback(
    connected: str, stage: Stage
) -> None:
    """The logs of both accounts show that each number is accepted once, by one of them."""
    setup = await new_setup(price=1)
    await db.open_with(setup.client.account_id, 100)
    numbers = db.generated_numbers(90)
    for number in numbers:
        send = db.new_send(setup.client, numbers=[number])
        await accept_batch(store, [replace(send, routes=[setup.route])])
    async with (
        simulated(deadline_seconds=QUICK.deadline_seconds) as first,
        simulated(deadline_seconds=QUICK.deadline_seconds) as second,
    ):
        # After four calls, the first account has no money left: certainly not sent.
        await first.control("fault", kind="no_credits", skip=4, times=None)
        places = f"{setup.carrier.id}={first.base_url},{setup.fallback.id}={second.base_url}"
        async with dispatcher(connected, places, dies_at=stage) as program:
            await dies(program)
        providers = ByAccount(
            {setup.carrier.id: first.provider, setup.fallback.id: second.provider}
        )
        runner = DispatchRunner(store, providers, rules=QUICK)
        runner.start()

        async def is_settled() -> bool:
            return set(await db.statuses()) <= {"SENT", "UNKNOWN"}

        try:
            await eventually(is_settled)
        finally:
            await runner.stop()
        fallen_back = await second.took()
        taken = Counter([*await first.took(), *fallen_back])
    assert fallen_back, "the fallback was used"
    assert max(taken.values()) == 1, "no message is accepted twice"
    rows = await db.fetch("SELECT number, status FROM message")
    unknown = {row["number"] for row in rows if row["status"] == "UNKNOWN"}
    assert set(numbers) - unknown <= set(taken) <= set(numbers), "what is SENT was accepted"
    assert await setup.held() == 60
    await db.assert_audit_holds()
