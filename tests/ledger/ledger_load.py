"""One process of test_ledger_load: `python -m tests.ledger.ledger_load URL SEED TASKS STEPS`.

Reads the setup from its input, and does everything that a process can do to the ledger, at once and
in any order. Prints each acknowledgement as soon as it has it. Exits with 1 if something is neither
done nor refused.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random
from uuid import UUID, uuid4

import orjson

from domain.dispatch.cancel import cancel_send
from domain.dispatch.recording import sweep
from domain.dispatch.rules import Observer
from domain.errors import InsufficientBalance, InsufficientPool, ProviderUnavailable
from domain.identity.access import Actor, Payer, Role
from domain.ledger.allocate import AllocationRequest, allocate
from domain.provider import Accepted, NotSent, Outcome, Rejected, Unknown
from domain.sending.accept import COPY_FROM, AcceptedBefore, AcceptedNow, Refused
from domain.sending.acceptor import Acceptor
from persistence import store
from tests import db
from tests.dispatch.parts import answered, marked
from tests.ledger.sends import accepting, keyed
from tests.ledger.upstream import Upstream, synced

KEYS = 40
OUTCOMES: list[Outcome] = [
    Accepted("ref"),
    Accepted("ref"),
    Rejected("no"),
    NotSent("not reached"),
    Unknown("?"),
]


@dataclass
class LedgerLoad:
    """The operations of one process."""

    pools: list[db.Pool]
    groups: dict[UUID, list[db.Tenant]]
    clients: list[db.Tenant]
    random: Random
    acceptor: Acceptor
    own: list[tuple[db.Tenant, UUID]] = field(default_factory=list)

    async def do_one(self) -> None:
        """Does one operation, chosen at random."""
        act = self.random.choice(self._acts)
        await act()

    @property
    def _acts(self) -> list[Callable[[], Awaitable[None]]]:
        often = [self.send, self.send_again] * 5
        return [*often, self.give, self.lead, self.call_back, self.submit, self.sync]

    async def send(self) -> None:
        """A send of any size, without a key."""
        client = self.random.choice(self.clients)
        count = self.random.choices([1, 3, 20, COPY_FROM], [20, 5, 2, 1])[0]
        result = await self.acceptor.accept(db.new_send(client, count))
        if isinstance(result, AcceptedNow):
            self.own.append((client, result.send.id))
            _acknowledge(client, result.send.id, count, None)
        else:
            assert isinstance(result, Refused), result
            assert isinstance(result.refusal, InsufficientBalance), result.refusal

    async def send_again(self) -> None:
        """A send with a key that other processes use for the same send."""
        client = self.random.choice(self.clients)
        number = self.random.randrange(KEYS)
        count = COPY_FROM if number == 0 else number % 4 + 1
        requested = keyed(db.new_send(client, count), f"k{number}")
        result = await self.acceptor.accept(requested)
        if isinstance(result, AcceptedNow | AcceptedBefore):
            send_id = result.send.id if isinstance(result, AcceptedNow) else result.send_id
            _acknowledge(client, send_id, count, f"k{number}")
        else:
            assert isinstance(result.refusal, InsufficientBalance), result.refusal

    async def give(self) -> None:
        """An admin gives to a client or a group, or takes back."""
        client = self.random.choice(self.clients[:-1])  # the last one's account is its own
        group_id = self.random.choice([None, client.group_id])
        requested = AllocationRequest(
            None if group_id else client.client_id, group_id, self._units()
        )
        await _unless_short(allocate(store, db.ADMIN, requested))

    async def lead(self) -> None:
        """A supervisor gives to a client of the group, or takes back."""
        group_id = self.random.choice(list(self.groups))
        supervisor = Actor(uuid4(), Role.SUPERVISOR, uuid4(), group_id=group_id)
        client = self.random.choice(self.groups[group_id])
        await _unless_short(
            allocate(store, supervisor, AllocationRequest(client.client_id, None, self._units()))
        )

    async def call_back(self) -> None:
        """A client cancels one of its sends."""
        if self.own:
            client, send_id = self.random.choice(self.own)
            await cancel_send(store, client.actor, send_id)

    async def submit(self) -> None:
        """A dispatcher marks messages that are due, and records their outcomes."""
        pool = self.random.choice(self.pools)
        for call in await marked(pool):
            each = [self.random.choice(OUTCOMES) for _ in call.messages]
            await answered(pool, call, *each)
        await sweep(store, Observer())

    async def sync(self) -> None:
        """The operator reads a balance."""
        with suppress(ProviderUnavailable):  # another process reads it
            await synced(self.random.choice(self.pools), Upstream(30_000))

    def _units(self) -> int:
        return self.random.choice([1, 7, 50]) * self.random.choice([1, -1])


def clients_from(described: dict[str, list[dict[str, str | int | None]]]) -> list[db.Tenant]:
    """The clients that the test has described."""
    clients = []
    for each in described["clients"]:
        pool_id, node_id, own_id, client_id = (
            UUID(str(each[name])) for name in ("pool", "pool_node", "node", "client")
        )
        pool = db.Pool(pool_id, node_id, str(each["unit"]), int(str(each["price"])))
        payer = Payer(client_id, own_id, pool.id, pool.price, pool.unit, None)
        group_id = UUID(str(each["group"])) if each["group"] else None
        clients.append(db.Tenant(client_id, own_id, pool, payer, group_id))
    return clients


def as_described(clients: list[db.Tenant]) -> bytes:
    """The clients as input for a process."""
    return orjson.dumps(
        {
            "clients": [
                {
                    "pool": client.pool.id,
                    "pool_node": client.pool.account_id,
                    "unit": client.pool.unit,
                    "price": client.pool.price,
                    "node": client.account_id,
                    "client": client.client_id,
                    "group": client.group_id,
                }
                for client in clients
            ]
        }
    )


async def _run_load(url: str, seed: int, tasks: int, steps: int) -> None:
    clients = clients_from(orjson.loads(sys.stdin.buffer.read()))
    groups: dict[UUID, list[db.Tenant]] = {}
    for client in clients:
        if client.group_id:
            groups.setdefault(client.group_id, []).append(client)
    pools = list({client.pool.id: client.pool for client in clients}.values())
    async with db.connected(url, pool_size=12), accepting() as acceptor:
        hand = LedgerLoad(pools, groups, clients, Random(seed), acceptor)

        async def strike_on() -> None:
            for _ in range(steps):
                await hand.do_one()

        async with asyncio.TaskGroup() as group:
            for _ in range(tasks):
                group.create_task(strike_on())


async def _unless_short(call: Awaitable[object]) -> None:
    with suppress(InsufficientPool, InsufficientBalance):
        await call


def _acknowledge(client: db.Tenant, send_id: UUID, count: int, key: str | None) -> None:
    line = orjson.dumps({"client": client.client_id, "send": send_id, "count": count, "key": key})
    sys.stdout.buffer.write(line + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    asyncio.run(_run_load(sys.argv[1], *(int(each) for each in sys.argv[2:])))
