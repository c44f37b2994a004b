"""The installation of the state machine: two pools, two groups, four clients, and a route."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID, uuid4

from domain.errors import (
    IdempotencyConflict,
    InsufficientBalance,
    InsufficientPool,
    InvalidInput,
    NotFound,
)
from domain.identity.access import Actor, Role
from domain.ids import new_id
from domain.ledger.allocate import AllocationRequest, allocate
from domain.ledger.credentials import move_client
from domain.provider import Accepted, NotSent, Outcome, Rejected, Unknown
from domain.sending.accept import AcceptedBefore, AcceptedNow, AcceptResult, Postponed, Refused
from domain.sending.messages import NewSend
from domain.sending.recipients import ProviderRoute
from persistence import store
from tests import db
from tests.ledger.model import (
    ACCEPTED,
    NOT_REACHED,
    OTHER_POOL,
    POOL,
    REFUSED,
    ROUTE_COST,
    SILENT,
    Place,
)
from tests.ledger.sends import keyed

OUTCOME_OF: dict[str, Outcome] = {
    ACCEPTED: Accepted("ref"),
    REFUSED: Rejected("no"),
    NOT_REACHED: NotSent("not reached"),
    SILENT: Unknown("?"),
}

NODES = """
SELECT account.id, held, version,
       (SELECT coalesce(sum(amount), 0)::int8 FROM transfer WHERE destination_id = account.id)
     - (SELECT coalesce(sum(amount), 0)::int8 FROM transfer WHERE source_id = account.id) AS proven,
       (SELECT count(*) FROM transfer
        WHERE account.id IN (source_id, destination_id)) AS entries
FROM account WHERE provider_account_id = ANY($1::uuid[])
"""


@dataclass(frozen=True)
class Request:
    """The request of a client. `is_routed`: to numbers of the route, if its pool has one."""

    who: int
    count: int
    key: str | None
    given: int
    is_routed: bool


@dataclass
class SmallInstallation:
    """`pools`: POOL and OTHER_POOL. `route`: of POOL, by the provider of OTHER_POOL.

    `send_ids`, `message_ids`: as the model numbers sends and places messages.
    """

    pools: dict[str, db.Pool]
    route: ProviderRoute
    groups: dict[str, db.Group]
    clients: dict[str, db.Tenant]
    opening: dict[str, int]
    group_of: dict[str, str | None]
    send_ids: list[UUID] = field(default_factory=list)
    message_ids: list[list[UUID]] = field(default_factory=list)

    def tenant(self, name: str) -> db.Tenant:
        """The client with this number in the model."""
        return self.clients[name]

    def new_send(self, request: Request) -> NewSend:
        """Makes the request as a client."""
        client = self.clients[f"c{request.who}"]
        send = db.new_send(client, request.count)
        if request.is_routed and client.pool == self.pools[POOL]:
            send = replace(send, routes=[self.route] * request.count)
        return keyed(send, request.key, request.given) if request.key else send

    def place_of(self, message_id: UUID) -> Place:
        """The position of the message in the model."""
        return next(
            (number, ids.index(message_id))
            for number, ids in enumerate(self.message_ids)
            if message_id in ids
        )

    async def note_messages(self) -> None:
        """Looks up the messages of the sends that are new."""
        for send_id in self.send_ids[len(self.message_ids) :]:
            rows = await db.fetch("SELECT id FROM message WHERE send_id = $1 ORDER BY id", send_id)
            self.message_ids.append([row["id"] for row in rows])

    async def nodes(self) -> dict[str, tuple[int, int, int, int]]:
        """For each node: what it holds, its version, and both as its transfers say."""
        names = {pool.account_id: name for name, pool in self.pools.items()}
        names |= {group.account_id: name for name, group in self.groups.items()}
        names |= {client.account_id: name for name, client in self.clients.items()}
        rows = await db.fetch(NODES, [pool.id for pool in self.pools.values()])
        # The former nodes of clients that were moved hold nothing: the audit checks them.
        return {
            names[row["id"]]: (row["held"], row["version"], row["proven"], row["entries"])
            for row in rows
            if row["id"] in names
        }

    async def move_client(self, name: str, pool: db.Pool) -> bool:
        """Whether the client is in that pool then."""
        former = self.clients[name]
        try:
            moved = await move_client(store, former.client_id, pool.id)
        except InvalidInput:
            return False
        payer = replace(former.payer, account_id=moved.account_id, provider_account_id=pool.id)
        self.clients[name] = replace(former, account_id=moved.account_id, pool=pool, payer=payer)
        return True

    async def statuses(self) -> Counter[str]:
        """How many messages are in which status."""
        rows = await db.fetch(
            "SELECT status, count(*) AS n FROM message WHERE provider_account_id = ANY($1::uuid[])"
            " GROUP BY status",
            [pool.id for pool in self.pools.values()],
        )
        return Counter({row["status"]: row["n"] for row in rows})

    async def all_is_due(self, pool: str) -> None:
        """No queued message of this pool's provider waits for a later time."""
        await db.execute(
            "UPDATE message SET due_at = now() - interval '1 s'"
            " WHERE provider_account_id = $1 AND status = 'QUEUED'",
            self.pools[pool].id,
        )

    async def leases_pass(self, pool: str) -> None:
        """Ends all open calls to this pool's provider."""
        await db.execute(
            "UPDATE attempt SET lease_until = clock_timestamp() - interval '1 s'"
            " WHERE provider_account_id = $1 AND ended_at IS NULL",
            self.pools[pool].id,
        )


async def made(pool_holds: int, held: Sequence[int]) -> SmallInstallation:
    """A separate installation. Its pool becomes the default one."""
    await db.execute("UPDATE provider_account SET is_default = false")
    pool = await db.add_pool(held=pool_holds)
    other_pool = await db.add_pool(held=9, default=False)
    groups = {f"g{each}": await db.add_group(pool, held=held[each]) for each in range(2)}
    group_of = {"c0": "g0", "c1": "g0", "c2": "g1", "c3": None}
    clients = {
        name: await db.add_client(pool, group=groups.get(group or ""), held=units)
        for (name, group), units in zip(group_of.items(), held[2:], strict=True)
    }
    opening = dict(zip([*groups, *clients], held, strict=True)) | {POOL: pool_holds, OTHER_POOL: 9}
    route = ProviderRoute(new_id(), pool.id, "1", other_pool.id, ROUTE_COST)
    async with store.transaction() as tx:
        await store.add_route(tx, route)
    pools = {POOL: pool, OTHER_POOL: other_pool}
    return SmallInstallation(pools, route, groups, clients, opening, group_of)


def answer_of_send(
    installation: SmallInstallation, result: AcceptResult | Postponed
) -> tuple[object, ...]:
    """A result in the terms of the model. A new send gets the next number."""
    match result:
        case AcceptedNow(send):
            installation.send_ids.append(send.id)
            return "sent", len(installation.send_ids) - 1
        case AcceptedBefore(send_id):
            return "sent", installation.send_ids.index(send_id)
        case Refused(InsufficientBalance() as short):
            return "refused", short.required, short.available
        case Refused(IdempotencyConflict()):
            return ("conflict",)
        case _:
            raise AssertionError(result)


async def answer_of_allocation(
    installation: SmallInstallation, who: str, whom: str, units: int
) -> tuple[object, ...]:
    """The answer of an allocation in the terms of the model."""
    group = installation.groups.get(whom)
    client = installation.clients.get(whom)
    requested = AllocationRequest(
        client.client_id if client else None, group.id if group else None, units
    )
    actor = db.ADMIN
    if who != "admin":
        actor = Actor(uuid4(), Role.SUPERVISOR, uuid4(), group_id=installation.groups[who].id)
    try:
        done = await allocate(store, actor, requested)
        moved = await store.find_transfer(done.transfer.id)
    except (InsufficientPool, InsufficientBalance) as short:
        return "refused", short.required, short.available
    except NotFound:
        return ("not found",)
    return "moved", moved.source_balance, moved.destination_balance
