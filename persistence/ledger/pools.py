"""Provider accounts, readings and allocation targets.

The begin and the lock of a reading are SQL because each compares times with PostgreSQL's clock in
one statement, its figures because they need one snapshot. The targets are SQL because one statement
reads four tables. The rest is querysets.
"""

from __future__ import annotations

from dataclasses import asdict
from uuid import UUID

from domain.errors import NotFound
from domain.identity.access import Everything, OfClient, OfGroup, Scope
from domain.ledger.balances import Valuation
from domain.ledger.book import Purpose, Transfer, TransferKind
from domain.ledger.ports import AllocationTarget, NewSync, PoolFigures, ProviderAccount
from domain.live import hints
from persistence.database import Connection, connection, execute, note, orm
from persistence.dispatch.models import Attempt
from persistence.ledger import models
from persistence.ledger.platform import UNITS_WAITING
from persistence.ledger.provider_accounts import PROBE_IF_PAUSED
from persistence.rows import columns_of, object_of
from persistence.sql import NOW

# The accounts of a client, of its group, and of the pool above both, in one statement.
TARGET_CLIENT = """
SELECT client.account_id, upstream.account_id, client_group.account_id,
       client.account_id = upstream.account_id, upstream.unit,
       coalesce(client.rate_per_unit_usd, client_group.rate_per_unit_usd)
FROM client
JOIN account ON account.id = client.account_id
JOIN provider_account AS upstream ON upstream.id = account.provider_account_id
LEFT JOIN client_group ON client_group.id = client.group_id
WHERE client.id = $1 AND ($2::uuid IS NULL OR client.group_id = $2)
"""
TARGET_GROUP = """
SELECT client_group.account_id, upstream.account_id, NULL::uuid, false, upstream.unit,
       client_group.rate_per_unit_usd
FROM client_group
JOIN account ON account.id = client_group.account_id
JOIN provider_account AS upstream ON upstream.id = account.provider_account_id
WHERE client_group.id = $1
"""

# This waits for open marks: a mark holds the row FOR SHARE until it commits.
BEGIN_READING = """
UPDATE provider_account
SET reading_by = $2, reading_until = clock_timestamp() + make_interval(secs => $3)
WHERE id = $1 AND (reading_until IS NULL OR reading_until < clock_timestamp())
"""
LOCK_READING = f"""
SELECT {columns_of(ProviderAccount)} FROM provider_account
WHERE id = $1 AND reading_by = $2 AND reading_until > clock_timestamp()
FOR UPDATE
"""  # noqa: S608 - columns of our own

# One statement, so one snapshot: a send that commits meanwhile counts in both sums or in neither.
# No call is open now, so a SUBMITTING message is of a crashed call and counts as UNKNOWN.
POOL_FIGURES = f"""
SELECT (SELECT coalesce(sum(held), 0) FROM account WHERE provider_account_id = $1)::int8,
       ({UNITS_WAITING.format("$1")})
"""  # noqa: S608 - a statement of our own


async def find_provider_account(provider_account_id: UUID | None) -> ProviderAccount:
    accounts = models.ProviderAccount.all()
    if provider_account_id is None:
        accounts = accounts.filter(is_default=True)
    else:
        accounts = accounts.filter(id=provider_account_id)
    row = await accounts.first()
    if row is None:
        raise NotFound("provider account")
    return object_of(ProviderAccount, row, valuation=Valuation(row.valuation))


async def find_allocation_target(
    scope: Scope,
    *,
    client_id: UUID | None,
    group_id: UUID | None,
    tx: Connection | None = None,
) -> AllocationTarget:
    async with connection(tx) as pooled:
        match scope:
            case Everything() if client_id is not None:
                row = await pooled.fetchrow(TARGET_CLIENT, client_id, None)
            case Everything():
                row = await pooled.fetchrow(TARGET_GROUP, group_id)
            case OfGroup(own_group_id):
                # A supervisor allocates the units of its group: the group cannot be the target.
                row = await pooled.fetchrow(TARGET_CLIENT, client_id, own_group_id)
            case OfClient():
                row = None
    if row is None:
        raise NotFound("group" if client_id is None else "client")
    return AllocationTarget(*tuple(row))


async def find_transfer(transfer_id: UUID) -> Transfer:
    row = await models.Transfer.get_or_none(id=transfer_id)
    if row is None:
        raise NotFound("transfer")
    return object_of(Transfer, row, kind=TransferKind(row.kind), purpose=object_of(Purpose, row))


async def begin_reading(provider_account_id: UUID, *, reader_id: UUID, seconds: float) -> bool:
    done = await execute(BEGIN_READING, provider_account_id, reader_id, seconds)
    return done == "UPDATE 1"


async def open_calls(provider_account_id: UUID) -> int:
    calls = Attempt.filter(provider_account_id=provider_account_id, ended_at__isnull=True)
    return await calls.filter(lease_until__gt=NOW).count()


async def lock_reading(
    tx: Connection, provider_account_id: UUID, *, reader_id: UUID
) -> ProviderAccount | None:
    row = await tx.fetchrow(LOCK_READING, provider_account_id, reader_id)
    if row is None:
        return None
    return object_of(ProviderAccount, row, valuation=Valuation(row["valuation"]))


async def pool_figures(tx: Connection, provider_account_id: UUID) -> PoolFigures:
    row = await tx.fetchrow(POOL_FIGURES, provider_account_id)
    assert row is not None
    return PoolFigures(pool=row[0], in_flight=row[1])


async def end_reading(tx: Connection, sync: NewSync) -> None:
    await models.Sync.create(using_db=orm(tx), **asdict(sync))
    account = models.ProviderAccount.filter(id=sync.provider_account_id).using_db(orm(tx))
    await account.update(
        epoch=sync.epoch,
        reading_raw=sync.reading_raw,
        read_at=NOW,
        reading_until=None,
        # Signing in works. If the provider refused the account before, a message is tried at once.
        probe_at=PROBE_IF_PAUSED,
    )
    note(tx, [hints.POOL + sync.provider_account_id.bytes])


async def fail_reading(provider_account_id: UUID, *, reader_id: UUID) -> None:
    async with connection() as pooled:
        own = models.ProviderAccount.filter(id=provider_account_id, reading_by=reader_id)
        await own.using_db(orm(pooled)).update(read_failed_at=NOW)
        note(pooled, [hints.POOL + provider_account_id.bytes])


async def lift_pause(provider_account_id: UUID, *, reader_id: UUID) -> None:
    own = models.ProviderAccount.filter(id=provider_account_id, reading_by=reader_id)
    await own.filter(reading_until__isnull=False).update(reading_until=None)
