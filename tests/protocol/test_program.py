"""The program does what the model does: random steps through both, compared at each step."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from uuid import UUID

import pytest

from domain.dispatch.cancel import cancel_send
from domain.dispatch.messages import Call
from domain.dispatch.recording import sweep
from domain.dispatch.rules import Observer
from domain.dispatch.settle import settle_unknown
from domain.ledger.reconcile import new_reconciliation, reconcile
from domain.provider import Accepted, NotSent, Outcome, Rejected, Unknown
from persistence import store
from tests import db
from tests.dispatch.parts import answered, marked
from tests.ledger.upstream import Upstream, account_of, pool_of, synced
from tests.protocol import ledger_steps, message_steps
from tests.protocol.state import (
    ACCEPTED,
    EXPIRED,
    NO_ANSWER,
    NOT_ACCEPTED,
    NOT_SENT,
    REFUSED,
    TAKEN,
    Setup,
    State,
    Step,
    start,
)

SETUPS = (
    Setup("a pool", sends=(1, 1, 1), client=3, pool=5, provider=20, dispatchers=2, marks=9),
    Setup("an owned account", sends=(1, 1, 1), client=3, pool=0, provider=20, dispatchers=2,
          marks=9, owned=True),
)  # fmt: skip
LONGEST_WALK = 40
SYNC = "sync"

OUTCOMES: dict[str, Outcome] = {
    ACCEPTED: Accepted("ref"),
    REFUSED: Rejected("no"),
    NOT_SENT: NotSent("not reached"),
    NO_ANSWER: Unknown("?"),
}
STEPS = tuple(
    getattr(message_steps, name)
    for name in ("accept", "cancel", "mark", "call", "record", "expire", "sweep", "settle")
)


class Program:
    """The program and its provider, in the state of the model."""

    def __init__(self, setup: Setup, client: db.Tenant) -> None:
        self.client = client
        self.pool = client.pool
        self.upstream = Upstream(setup.provider)
        self.sends: dict[int, UUID] = {}
        self.messages: dict[int, UUID] = {}
        self.calls: dict[tuple[int, int], Call] = {}

    async def take(self, name: str, before: State, after: State) -> None:
        """Does what leads from one state of the model to the next."""
        number = changed_message(before, after)
        match name:
            case "accept":
                send = await db.accept(self.client)
                self.sends[number] = send.id
                (row,) = await db.fetch("SELECT id FROM message WHERE send_id = $1", send.id)
                self.messages[number] = row["id"]
            case "cancel":
                await cancel_send(store, self.client.actor, self.sends[number])
            case "mark":
                await self._mark(number, after.messages[number].attempt)
            case "call":
                for _ in range(before.provider - after.provider):
                    self.upstream.take("a message")
            case "record":
                await self._record(before, after)
            case "expire":
                await self._set_lease(self.messages[number], "-1 s")
            case "sweep":
                await self._sweep(number, before)
            case "settle":
                taken = after.messages[number].status in TAKEN
                await settle_unknown(
                    store, db.ADMIN, self.messages[number], taken=taken, note="found out"
                )
            case _:
                await synced(self.pool, self.upstream)

    async def _mark(self, number: int, attempt: int) -> None:
        """Marks this message alone: no other one is due."""
        await db.execute(
            "UPDATE message SET due_at = now() + CASE WHEN id = $1 THEN interval '-1 s'"
            " ELSE interval '1 h' END WHERE provider_account_id = $2 AND status = 'QUEUED'",
            self.messages[number], self.pool.id,
        )  # fmt: skip
        (self.calls[number, attempt],) = await marked(self.pool)

    async def _record(self, before: State, after: State) -> None:
        (ended,) = set(before.dispatchers) - set(after.dispatchers)
        call = self.calls[ended.message, ended.attempt]
        await answered(self.pool, call, OUTCOMES[ended.outcome])

    async def _sweep(self, number: int, before: State) -> None:
        others = [
            self.messages[each]
            for each, message in enumerate(before.messages)
            if message.lease == EXPIRED and each != number
        ]
        for message_id in others:
            await self._set_lease(message_id, "1 h")
        await sweep(store, Observer())
        for message_id in others:
            await self._set_lease(message_id, "-1 s")

    async def _set_lease(self, message_id: UUID, ends: str) -> None:
        await db.execute(
            f"UPDATE attempt SET lease_until = clock_timestamp() + interval '{ends}' WHERE id ="
            " (SELECT attempt_id FROM message WHERE id = $1)", message_id,
        )  # fmt: skip

    async def assert_is(self, setup: Setup, s: State) -> None:
        """Statuses, holdings and the epoch are those of the model."""
        for number, message in enumerate(s.messages):
            if message.status != NOT_ACCEPTED:
                (row,) = await db.fetch(
                    "SELECT status, in_reading FROM message WHERE id = $1", self.messages[number]
                )
                assert (row["status"], row["in_reading"]) == (message.status, message.in_reading)
        assert await db.held(self.client.account_id) == s.client
        assert await pool_of(self.pool) == s.client + s.pool
        assert (await account_of(self.pool)).epoch + 1 == s.epoch


def changed_message(before: State, after: State) -> int:
    """The message that a step changes; -1 if it changes none."""
    pairs = enumerate(zip(before.messages, after.messages, strict=True))
    return next((number for number, (old, new) in pairs if old != new), -1)


def possible(setup: Setup, s: State) -> Iterator[tuple[str, str, State]]:
    """What can happen next: the name of the step, a sentence, and the state after it."""
    for step in STEPS:
        for sentence, after in step(setup, s):
            yield step.__name__, sentence, after
    whole: list[Step] = [ledger_steps.pause, ledger_steps.read, ledger_steps.write]
    after = s
    for step in whole:
        found = [state for _, state in step(setup, after)]
        if not found:
            return
        (after,) = found
    yield SYNC, "sync", after._replace(syncs=s.syncs)


async def a_program(setup: Setup) -> Program:
    if not setup.owned:
        pool = await db.add_pool(held=setup.pool, default=False)
        return Program(setup, await db.add_client(pool, held=setup.client))
    school = await db.add_school(held=setup.client, price=setup.price)
    await db.execute(
        "UPDATE provider_account SET valuation = 'AS_IS' WHERE id = $1", school.pool.id
    )
    return Program(setup, school)


@pytest.mark.usefixtures("connected")
@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("setup", SETUPS, ids=lambda setup: setup.name)
async def test_random_steps_lead_the_program_where_they_lead_the_model(
    setup: Setup, seed: int
) -> None:
    random, setup = Random(seed), setup._replace(syncs=1)
    program, s = await a_program(setup), start(setup)
    walk: list[str] = []
    for _ in range(LONGEST_WALK):
        steps = list(possible(setup, s))
        if not steps:
            break
        chosen = random.choice(sorted({name for name, _, _ in steps}))
        name, sentence, after = random.choice([each for each in steps if each[0] == chosen])
        walk.append(sentence)
        print(sentence)
        await program.take(name, s, after)
        s = after
        await program.assert_is(setup, s)
    assert len(walk) > len(setup.sends)
    done = await reconcile(store, await new_reconciliation(store))
    assert (done.charged_missing, done.refunded_excess) == (0, 0)
    await db.assert_audit_holds()
