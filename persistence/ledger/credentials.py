"""Provider accounts that clients own, and encrypted credentials.

SQL for the count of open messages, which must use the index of the queue, and for the version of a
node that a client moves to: it is above a sum of the same statement.
"""

from __future__ import annotations

from uuid import UUID

from tortoise.queryset import QuerySet

from domain.ids import new_id
from domain.ledger.book import NodeKind
from domain.ledger.credentials import AccountRef, NewProviderAccount
from domain.live import hints
from domain.sending.messages import LATER, PRIORITY
from persistence.database import Connection, note, orm
from persistence.identity.models import Client
from persistence.ledger import models
from persistence.sending.parts import QUEUED_APART, all_in

# One range of an index for each status. Each account and each priority is named, so that the index
# of the queue is used.
OPEN_MESSAGES = f"""
SELECT (SELECT count(*) FROM provider_account
        JOIN message ON provider_account_id = provider_account.id
        WHERE {QUEUED_APART} AND client_id = $1
          AND priority = ANY($2::int2[]))
     + (SELECT count(*) FROM queued_part AS part CROSS JOIN LATERAL ({all_in("")}) AS each
        WHERE client_id = $1)
     + (SELECT coalesce(sum(unwritten), 0) FROM send_job WHERE client_id = $1 AND unwritten > 0)
     + (SELECT count(*) FROM message WHERE client_id = $1 AND status = 'UNKNOWN')
     + (SELECT count(*) FROM attempt JOIN message ON message.attempt_id = attempt.id
        WHERE ended_at IS NULL AND message.client_id = $1 AND message.status = 'SUBMITTING')
"""  # noqa: S608 - names of our own

# The version of a figure is the sum of the versions of its nodes, and must not decrease. Until now,
# figures of the client could have the versions of all nodes of its pool. So the new node begins
# above their sum, with room for the changes that commit at the same time.
LIFT_VERSION = """
UPDATE account SET departed_version = greatest(departed_version, 1000000 + (
    SELECT sum(other.version + other.departed_version) FROM account AS other
    WHERE other.provider_account_id = (SELECT provider_account_id FROM account WHERE id = $2)))
WHERE id = $1
"""


async def lock_own_account(tx: Connection, client_id: UUID) -> AccountRef | None:
    own = models.ProviderAccount.filter(owner_client_id=client_id).using_db(orm(tx))
    return await _first(own.select_for_update())


async def find_own_account(client_id: UUID) -> AccountRef | None:
    """The provider account that the client owns."""
    return await _first(models.ProviderAccount.filter(owner_client_id=client_id))


async def find_platform_account(tx: Connection, provider: str) -> AccountRef | None:
    """The oldest one, if there are several."""
    ours = models.ProviderAccount.filter(provider=provider, owner_client_id__isnull=True)
    return await _first(ours.using_db(orm(tx)).order_by("id"))


async def _first(rows: QuerySet[models.ProviderAccount]) -> AccountRef | None:
    row = await rows.first()
    return None if row is None else AccountRef(row.id, row.account_id)


async def add_provider_account(tx: Connection, new: NewProviderAccount) -> AccountRef:
    node_id = new_id()
    await models.Account.create(
        using_db=orm(tx), id=node_id, kind=NodeKind.POOL.value, provider_account_id=new.id
    )
    await models.ProviderAccount.create(
        using_db=orm(tx),
        id=new.id,
        provider=new.provider,
        owner_client_id=new.owner_client_id,
        account_id=node_id,
        unit=new.terms.unit,
        price=new.price,
        valuation=new.terms.valuation.value,
        name=new.name,
        configuration=new.configuration,
        credentials=new.encrypted,
        rate_per_second=new.rate_per_second,
    )
    return AccountRef(new.id, node_id)


async def count_open_messages(tx: Connection, client_id: UUID) -> int:
    priorities = {each + later for each in PRIORITY.values() for later in (0, LATER)}
    return int(await tx.fetchval(OPEN_MESSAGES, client_id, sorted(priorities)))


async def put_client_under(
    tx: Connection, client_id: UUID, parent_id: UUID, *, as_owner: bool
) -> None:
    client = await Client.filter(id=client_id).using_db(orm(tx)).get()
    node_id = parent_id
    if not as_owner:
        node_id = new_id()
        parent = await models.Account.filter(id=parent_id).using_db(orm(tx)).get()
        await models.Account.create(
            using_db=orm(tx),
            id=node_id,
            kind=NodeKind.CLIENT.value,
            provider_account_id=parent.provider_account_id,
            parent_id=parent_id,
        )
    await tx.execute(LIFT_VERSION, node_id, client.account_id)
    await Client.filter(id=client_id).using_db(orm(tx)).update(account_id=node_id)
    for each in (client.account_id, node_id):
        note(tx, [hints.ACCOUNT + each.bytes])


async def encrypted_credentials() -> list[tuple[UUID, bytes]]:
    rows = models.ProviderAccount.filter(credentials__isnull=False)
    found = await rows.order_by("id").only("id", "credentials")
    return [(row.id, row.credentials) for row in found if row.credentials is not None]
