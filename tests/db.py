"""Pools, groups and clients in the database of a test, and sends that they make.

Every holding comes from an OPENING transfer, posted through the `Book`, so that the audit passes.
The database must be connected: see `connected`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import islice
from typing import Any
from uuid import UUID

from domain.identity.access import Actor, Payer, Role
from domain.ids import new_id, new_send_id
from domain.ledger.audit import audit, new_audit
from domain.ledger.book import NodeKind, Purpose, TransferKind
from domain.sending.accept import AcceptedNow, accept_alone, accept_batch
from domain.sending.messages import NewSend, SendKind
from persistence import store
from persistence.database import connection
from persistence.identity import models as identity
from persistence.ledger import models as ledger
from persistence.opening import connect, disconnect


@dataclass(frozen=True, slots=True)
class Pool:
    """A provider account: `account_id` is the pool's own node."""

    id: UUID
    account_id: UUID
    unit: str
    price: int


@dataclass(frozen=True, slots=True)
class Group:
    """A group under a pool."""

    id: UUID
    account_id: UUID
    pool: Pool


@dataclass(frozen=True, slots=True)
class Tenant:
    """A client under a pool, with the account that its sends are charged to."""

    client_id: UUID
    account_id: UUID
    pool: Pool
    payer: Payer
    group_id: UUID | None = None

    @property
    def actor(self) -> Actor:
        """A user of this client. It has no row, because it does not sign in."""
        return Actor(
            user_id=self.client_id,
            role=Role.CLIENT,
            credential_id=self.client_id,
            client_id=self.client_id,
            client_status="ACTIVE",
            payer=self.payer,
        )


ADMIN = Actor(user_id=UUID(int=1), role=Role.ADMIN, credential_id=UUID(int=1))


@asynccontextmanager
async def connected(url: str, *, pool_size: int = 10) -> AsyncIterator[None]:
    """This process is connected to the database of a test."""
    await connect(url, pool_size=pool_size, application_name="tests")
    try:
        yield
    finally:
        await disconnect()


async def add_pool(
    *,
    held: int = 0,
    price: int = 1,
    unit: str = "credit",
    provider: str = "extreme",
    default: bool = True,
    rate_per_second: int | None = None,
) -> Pool:
    """A provider account of the platform, whose pool node holds `held` itself."""
    pool = Pool(new_id(), new_id(), unit, price)
    await _add_node(pool, pool.account_id, NodeKind.POOL, parent_id=None)
    await ledger.ProviderAccount.create(
        id=pool.id,
        provider=provider,
        is_default=default,
        account_id=pool.account_id,
        unit=unit,
        price=price,
        rate_per_second=rate_per_second,
    )
    await open_with(pool.account_id, held)
    return pool


async def add_group(
    pool: Pool, *, held: int = 0, name: str = "MG888", rate_usd: Decimal | None = None
) -> Group:
    """A group under the pool."""
    group = Group(new_id(), new_id(), pool)
    await _add_node(pool, group.account_id, NodeKind.GROUP, parent_id=pool.account_id)
    await identity.Group.create(
        id=group.id, name=name, account_id=group.account_id, rate_per_unit_usd=rate_usd
    )
    await open_with(group.account_id, held)
    return group


async def add_client(
    pool: Pool | None = None,
    *,
    held: int = 1_000,
    group: Group | None = None,
    name: str = "Client",
    business: str | None = None,
    status: str = "ACTIVE",
    rate_usd: Decimal | None = None,
) -> Tenant:
    """A client under the group if one is given, else directly under the pool.

    Without a pool, the default one is added first.
    """
    pool = pool or await add_pool()
    client_id, account_id = new_id(), new_id()
    parent_id = group.account_id if group else pool.account_id
    await _add_node(pool, account_id, NodeKind.CLIENT, parent_id=parent_id)
    await identity.Client.create(
        id=client_id,
        name=name,
        business=business,
        status=status,
        group_id=group.id if group else None,
        account_id=account_id,
        rate_per_unit_usd=rate_usd,
    )
    await open_with(account_id, held)
    return _tenant(pool, client_id, account_id, group, rate_usd)


async def add_school(*, held: int = 10_000, price: int = 50, name: str = "School") -> Tenant:
    """A client that owns its provider account: the node of the pool is the client's account."""
    client_id = new_id()
    pool = Pool(new_id(), new_id(), "UGX", price)
    await _add_node(pool, pool.account_id, NodeKind.POOL, parent_id=None)
    await identity.Client.create(id=client_id, name=name, account_id=pool.account_id)
    await ledger.ProviderAccount.create(
        id=pool.id,
        provider="extreme",
        owner_client_id=client_id,
        account_id=pool.account_id,
        unit=pool.unit,
        price=price,
    )
    await open_with(pool.account_id, held)
    return _tenant(pool, client_id, pool.account_id, None, None)


async def assign_number(client_id: UUID, number: str) -> None:
    """The client owns this number, and gets the messages to it."""
    await execute(
        "INSERT INTO assigned_number (client_id, number) VALUES ($1, $2) ON CONFLICT DO NOTHING",
        client_id,
        number,
    )


async def opt_out(client_id: UUID, number: str, *, source: str = "PERSON") -> None:
    """The number gets no more messages of the client."""
    await execute(
        "INSERT INTO opt_out (client_id, number, source) VALUES ($1, $2, $3)",
        client_id,
        number,
        source,
    )


async def open_with(account_id: UUID, units: int) -> None:
    """Adds units to a node by an OPENING transfer from outside."""
    if units == 0:
        return
    async with store.transaction() as tx:
        book = await store.lock_accounts(tx, [account_id])
        book.post(
            TransferKind.OPENING,
            units,
            destination=book.holdings[account_id],
            purpose=Purpose(note="opening balance"),
        )
        await store.write_book(tx, book)


async def accept(
    tenant: Tenant,
    count: int = 1,
    *,
    kind: SendKind | None = None,
    text: str | None = "Good morning",
    texts: Sequence[str] | None = None,
    numbers: Sequence[str] | None = None,
    send_at: datetime | None = None,
) -> NewSend:
    """An accepted send of the tenant: to `numbers`, else to the first `count` generated ones.

    The kind is SINGLE for one message and BULK for several (MULTI with `texts`) unless given.
    """
    send = new_send(
        tenant, count, kind=kind, text=text, texts=texts, numbers=numbers, send_at=send_at
    )
    result = (
        (await accept_batch(store, [send]))[0]
        if len(send.numbers) == 1
        else await accept_alone(store, send, lock_wait_seconds=60)
    )
    assert isinstance(result, AcceptedNow), result
    return send


def new_send(
    tenant: Tenant,
    count: int = 1,
    *,
    kind: SendKind | None = None,
    text: str | None = "Good morning",
    texts: Sequence[str] | None = None,
    numbers: Sequence[str] | None = None,
    send_at: datetime | None = None,
) -> NewSend:
    """The same send before it is accepted."""
    to = list(numbers) if numbers is not None else generated_numbers(len(texts or ()) or count)
    usual = SendKind.SINGLE if len(to) == 1 else SendKind.MULTI if texts else SendKind.BULK
    return NewSend(
        id=new_send_id(),
        payer=tenant.payer,
        actor_id=tenant.client_id,
        kind=kind or usual,
        numbers=to,
        text=None if texts is not None else text,
        texts=texts,
        send_at=send_at,
    )


def generated_numbers(count: int, *, skip: int = 0) -> list[str]:
    """Valid E.164 numbers without duplicates, always the same. None is a magic number."""
    return list(islice(_valid_numbers(), skip, skip + count))


async def held(account_id: UUID) -> int:
    """The units that a node holds itself."""
    return await store.held(account_id)


async def statuses(send_id: UUID | None = None) -> dict[str, int]:
    """The number of messages in each status, of one send or of all. Without zeros."""
    rows = await fetch(
        "SELECT status, count(*) FROM message WHERE $1::uuid IS NULL OR send_id = $1"
        " GROUP BY status",
        send_id,
    )
    return {row["status"]: row["count"] for row in rows}


async def fetch(statement: str, *arguments: object) -> list[dict[str, Any]]:
    """The rows of a statement as dicts, read without the program."""
    async with connection() as pooled:
        return [dict(row) for row in await pooled.fetch(statement, *arguments)]


async def execute(statement: str, *arguments: object) -> None:
    """Runs a statement without the program, for example to change the time of a row."""
    async with connection() as pooled:
        await pooled.execute(statement, *arguments)


async def deadlocks() -> int:
    """How many deadlocks this database has seen, also in tests before this one."""
    statement = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    (row,) = await fetch(statement)
    return int(row["deadlocks"])


async def assert_audit_holds() -> None:
    """Checks that the audit of the ledger finds no violation."""
    done = await audit(store, await new_audit(store), rest=0)
    assert done.holds, done.violations


def _valid_numbers() -> Iterator[str]:
    for area in (202, 212, 305, 312, 415, 512, 617, 713):
        for exchange in range(220, 1000):
            if exchange % 100 != 11 and exchange != 555:
                for line in range(10_000):
                    yield f"+1{area}{exchange}{line:04d}"


def _tenant(
    pool: Pool, client_id: UUID, account_id: UUID, group: Group | None, rate_usd: Decimal | None
) -> Tenant:
    payer = Payer(
        client_id=client_id,
        account_id=account_id,
        provider_account_id=pool.id,
        price=pool.price,
        unit=pool.unit,
        rate_usd=rate_usd,
    )
    return Tenant(client_id, account_id, pool, payer, group.id if group else None)


async def _add_node(pool: Pool, account_id: UUID, kind: NodeKind, parent_id: UUID | None) -> None:
    await ledger.Account.create(
        id=account_id, kind=kind.value, provider_account_id=pool.id, parent_id=parent_id
    )
