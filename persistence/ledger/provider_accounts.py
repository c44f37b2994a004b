"""The platform's provider accounts."""

from __future__ import annotations

from uuid import UUID

from tortoise.expressions import F, RawSQL

from domain.errors import NotFound
from domain.ledger.credentials import AccountRef, SignIn
from domain.live import hints
from persistence.database import Connection, note, orm
from persistence.ledger import models
from persistence.sql import NOW

PROBE_IF_PAUSED = RawSQL("CASE WHEN paused_at IS NULL THEN probe_at ELSE clock_timestamp() END")


async def find_sign_in(provider_account_id: UUID) -> SignIn:
    """What an account is opened with. Raises NotFound."""
    return _sign_in(await models.ProviderAccount.filter(id=provider_account_id).first())


async def read_secrets(provider: str) -> list[tuple[UUID, bytes | None]]:
    """All accounts at a provider, each with its encrypted secrets."""
    rows = await models.ProviderAccount.filter(provider=provider)
    return [(row.id, row.credentials) for row in rows]


async def lock_sign_in(tx: Connection, provider_account_id: UUID) -> SignIn:
    rows = models.ProviderAccount.filter(id=provider_account_id).using_db(orm(tx))
    return _sign_in(await rows.select_for_update().first())


async def find_account_ref(
    tx: Connection, provider_account_id: UUID
) -> tuple[AccountRef, UUID | None]:
    row = await models.ProviderAccount.filter(id=provider_account_id).using_db(orm(tx)).first()
    if row is None:
        raise NotFound("provider account")
    return AccountRef(row.id, row.account_id), row.owner_client_id


async def write_sign_in(
    tx: Connection, provider_account_id: UUID, sign_in: SignIn, *, price: int | None = None
) -> None:
    """Ends the pause of a running sync: it reads the balance with the old values."""
    values = sign_in.configuration
    rows = models.ProviderAccount.filter(id=provider_account_id).using_db(orm(tx))
    await rows.update(
        provider=sign_in.provider,
        price=F("price") if price is None else price,
        configuration=None if values is None else dict(values),
        credentials=sign_in.encrypted,
        credentials_set_at=NOW,
        reading_until=None,
        paused_at=None,
        pause_reason=None,
        probe_at=None,
    )
    note(tx, [hints.POOL + provider_account_id.bytes])


async def write_terms(
    tx: Connection,
    provider_account_id: UUID,
    *,
    name: str | None,
    rate_per_second: int | None,
) -> None:
    rows = models.ProviderAccount.filter(id=provider_account_id).using_db(orm(tx))
    await rows.update(name=name, rate_per_second=rate_per_second)


async def make_default(tx: Connection, provider_account_id: UUID) -> None:
    former = models.ProviderAccount.filter(is_default=True).using_db(orm(tx))
    changed = [row.id async for row in former]
    await former.update(is_default=False)
    rows = models.ProviderAccount.filter(id=provider_account_id).using_db(orm(tx))
    await rows.update(is_default=True)
    note(tx, [hints.POOL + each.bytes for each in [*changed, provider_account_id]])


async def write_stopped(tx: Connection, provider_account_id: UUID, *, stopped: bool) -> bool:
    rows = models.ProviderAccount.filter(id=provider_account_id).using_db(orm(tx))
    if stopped:
        changed = await rows.update(stopped_at=RawSQL("coalesce(stopped_at, clock_timestamp())"))
    else:
        # If the provider refused the account before, a message is tried at once.
        changed = await rows.update(stopped_at=None, probe_at=PROBE_IF_PAUSED)
    note(tx, [hints.POOL + provider_account_id.bytes])
    return bool(changed)


def _sign_in(row: models.ProviderAccount | None) -> SignIn:
    if row is None:
        raise NotFound("provider account")
    return SignIn(row.provider, row.owner_client_id, row.credentials, row.configuration)
