"""In the end a pool equals its provider's balance, whatever the order of readings and charges.

The two mistakes that a sync can make, each with a property: what is in flight is not in the
reading yet, and what was submitted before a reading is refunded within the pool. The provider's
balance decides: it falls when the provider accepts a message, even if the answer is lost.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.dispatch.cancel import cancel_send
from domain.dispatch.messages import Call
from domain.dispatch.recording import sweep
from domain.dispatch.rules import Observer
from domain.dispatch.settle import settle_unknown
from domain.ledger.allocate import AllocationRequest, allocate
from domain.ledger.balances import Valuation
from domain.provider import Accepted, NotSent, Outcome, Rejected, Unknown
from domain.sending.accept import AcceptedNow, accept_batch
from persistence import store
from tests import db
from tests.dispatch.parts import answered, marked
from tests.ledger.upstream import Upstream, pool_of, synced

TAKEN = (Accepted("ref"), Unknown("?"))
NOT_TAKEN = (Rejected("no"), NotSent("never reached"), Unknown("?"))


@dataclass(frozen=True)
class Kind:
    """A kind of account: how its reading becomes units, and what a message costs here and there."""

    owned: bool
    valuation: Valuation
    price: int
    price_there: int


CREDITS = Kind(owned=False, valuation=Valuation.AS_IS, price=1, price_there=1)
SCHOOL = Kind(owned=True, valuation=Valuation.EGOSMS_OWN, price=50, price_there=35)


@dataclass
class Setup:
    """A pool, its provider, and what is under way between them.

    `elsewhere`: what the provider's balance changed by without us, since the last reading.
    """

    kind: Kind
    pool: db.Pool
    clients: Sequence[db.Tenant]
    upstream: Upstream
    sends: list[UUID] = field(default_factory=list)
    calls: list[tuple[Call, list[tuple[bool, Outcome]]]] = field(default_factory=list)
    elsewhere: int = 0

    async def accept(self, who: int, count: int) -> None:
        """A client sends, if it can."""
        send = db.new_send(self.clients[who % len(self.clients)], count)
        (result,) = await accept_batch(store, [send])
        if isinstance(result, AcceptedNow):
            self.sends.append(send.id)

    async def submit(self, fates: Sequence[tuple[bool, Outcome]]) -> None:
        """Marks and submits everything that is queued. The answers are not recorded yet."""
        await db.execute(
            "UPDATE message SET due_at = now() - interval '1 s' WHERE provider_account_id = $1"
            " AND status = 'QUEUED'",
            self.pool.id,
        )
        for call in await marked(self.pool):
            chosen = [fates[place % len(fates)] for place, _ in enumerate(call.messages)]
            for message, (taken, _) in zip(call.messages, chosen, strict=True):
                if taken:
                    self.upstream.take(str(message.id))
            self.calls.append((call, chosen))

    async def record(self, which: int) -> None:
        """The answer of one call is recorded, in time or late."""
        if self.calls:
            call, chosen = self.calls.pop(which % len(self.calls))
            await answered(self.pool, call, *(outcome for _, outcome in chosen))

    async def lapse(self, *, swept: bool) -> None:
        """The leases of all open calls pass; the sweep has or has not seen it."""
        await db.execute(
            "UPDATE attempt SET lease_until = clock_timestamp() - interval '1 s'"
            " WHERE provider_account_id = $1 AND ended_at IS NULL",
            self.pool.id,
        )
        if swept:
            await sweep(store, Observer())

    async def cancel(self, which: int) -> None:
        """Cancels a send."""
        if self.sends:
            await cancel_send(store, db.ADMIN, self.sends[which % len(self.sends)])

    async def allocate(self, who: int, units: int) -> None:
        """Units move within the pool."""
        client_id = self.clients[who % len(self.clients)].client_id
        if not self.kind.owned:
            await asyncio.gather(
                allocate(store, db.ADMIN, AllocationRequest(client_id, None, units)),
                return_exceptions=True,
            )

    async def top_up(self, messages: int) -> None:
        """The provider's balance changes without us."""
        self.upstream.balance_now += messages * self.kind.price_there
        self.elsewhere += messages * self.kind.price

    async def settle_doubts(self) -> None:
        """Settles UNKNOWN messages by the provider's log."""
        rows = await db.fetch(
            "SELECT id FROM message WHERE provider_account_id = $1 AND status = 'UNKNOWN'",
            self.pool.id,
        )
        for row in rows:
            taken = str(row["id"]) in self.upstream.taken
            await settle_unknown(store, db.ADMIN, row["id"], taken=taken, note="by the log")

    async def read(self, meanwhile: Sequence[tuple[str, int]]) -> None:
        """The balance is read, and other things happen before the reading arrives."""
        # A call that is open would be waited for: here its program has crashed.
        await self.lapse(swept=False)

        async def happen() -> None:
            self.elsewhere = 0
            for what, which in meanwhile:
                await self.happen(what, which)

        self.upstream.meanwhile = happen
        await synced(self.pool, self.upstream)

    async def happen(self, what: str, which: int) -> None:
        """One of the things that may also happen during a reading."""
        match what:
            case "accept":
                await self.accept(which, which % 4 + 1)
            case "record":
                await self.record(which)
            case "cancel":
                await self.cancel(which)
            case "allocate":
                await self.allocate(which, which % 9 - 4 or 1)
            case "settle":
                await self.settle_doubts()
            case "sweep":
                await self.lapse(swept=True)
            case "top up":
                await self.top_up(which)
            case "submit":
                await self.submit([(True, Accepted("ref"))])
            case _:
                raise AssertionError(what)

    async def come_to_rest(self) -> None:
        """Records all answers, settles all UNKNOWN messages, and leaves nothing queued."""
        while self.calls:
            await self.record(0)
        for which in range(len(self.sends)):
            await self.cancel(which)
        await self.lapse(swept=True)
        await self.settle_doubts()


FATES = st.lists(
    st.sampled_from(
        [(True, outcome) for outcome in TAKEN] + [(False, outcome) for outcome in NOT_TAKEN]
    ),
    min_size=1,
    max_size=3,
)
EVENTS = st.tuples(
    st.sampled_from(["accept", "record", "cancel", "allocate", "settle", "sweep", "top up"]),
    st.integers(0, 11),
)
STEPS = st.lists(
    st.one_of(
        EVENTS,
        st.tuples(st.just("accept"), st.integers(0, 11)),
        st.tuples(st.just("submit"), FATES),
        # During a reading nothing is submitted, because marks are paused.
        st.tuples(
            st.just("read"),
            st.lists(EVENTS | st.tuples(st.just("submit"), st.just(0)), max_size=3),
        ),
    ),
    max_size=14,
)


@pytest.mark.parametrize("kind", [CREDITS, SCHOOL], ids=["credits", "a school's own"])
@settings(
    max_examples=40,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=STEPS)
async def test_at_rest_a_pool_equals_the_balance_of_its_provider(
    connected: None, kind: Kind, steps: list[tuple[str, object]]
) -> None:
    setup = await _setup(kind)
    await synced(setup.pool, setup.upstream)
    for what, how in steps:
        if what == "submit" and isinstance(how, list):
            await setup.submit(how)
        elif what == "read" and isinstance(how, list):
            await setup.read(how)
        elif isinstance(how, int):
            await setup.happen(what, how)
    await setup.come_to_rest()
    expected = setup.upstream.balance_now * kind.price / kind.price_there
    assert await pool_of(setup.pool) == expected - setup.elsewhere
    await db.assert_audit_holds()


async def _setup(kind: Kind) -> Setup:
    if kind.owned:
        school = await db.add_school(held=0, price=kind.price)
        await db.execute(
            "UPDATE provider_account SET valuation = $2 WHERE id = $1",
            school.pool.id,
            kind.valuation.value,
        )
        upstream = Upstream(20 * kind.price_there, price=kind.price_there)
        return Setup(kind, school.pool, [school], upstream)
    pool = await db.add_pool(default=False)
    group = await db.add_group(pool)
    clients = [
        await db.add_client(pool, held=8),
        await db.add_client(pool, held=8, group=group),
    ]
    return Setup(kind, pool, clients, Upstream(Decimal(20), price=kind.price_there))
