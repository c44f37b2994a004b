"""The nodes of groups and clients in the tree of accounts, and the default pool.

SQL, because one statement locks or changes several nodes in ID order: the order in which all code
locks accounts, so that a send and a move never wait for each other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from domain.errors import NotFound
from domain.identity.ports import Node
from domain.ids import new_id
from domain.ledger.book import NodeKind
from domain.live import hints
from persistence.database import Connection, note, orm
from persistence.ledger.models import Account, ProviderAccount

IDENTITY_LOCK = 0x1B1C2

NODE_COLUMNS = "account.id, parent_id, provider_account_id, version, departed_version"

LOCK_IDENTITIES = "SELECT pg_advisory_xact_lock($1)"
NODE_OF_GROUP = f"""
SELECT {NODE_COLUMNS} FROM client_group JOIN account ON account.id = client_group.account_id
WHERE client_group.id = $1
"""  # noqa: S608 - no input
NODE_OF_DEFAULT_POOL = f"""
SELECT {NODE_COLUMNS}
FROM provider_account AS upstream JOIN account ON account.id = upstream.account_id
WHERE upstream.is_default
"""  # noqa: S608 - no input
LOCK_NODES = f"""
SELECT {NODE_COLUMNS} FROM account
WHERE id = ANY($1::uuid[]) OR parent_id = ANY($2::uuid[]) ORDER BY id FOR UPDATE
"""  # noqa: S608 - no input
MOVE_NODE = """
UPDATE account
SET parent_id = CASE WHEN account.id = $1 THEN coalesce($2, parent_id) ELSE parent_id END,
    departed_version = coalesce(departed.version, departed_version)
FROM (SELECT $1::uuid UNION SELECT unnest($3::uuid[])) AS touched (id)
LEFT JOIN unnest($3::uuid[], $4::int8[]) AS departed (id, version) USING (id)
WHERE account.id = touched.id
"""
ADD_DEFAULT_PROVIDER_ACCOUNT = """
INSERT INTO provider_account (id, provider, is_default, account_id, unit, price)
VALUES ($1, $2, true, $3, $4, $5)
ON CONFLICT (is_default) WHERE is_default DO NOTHING
RETURNING id
"""


async def lock_identities(tx: Connection) -> None:
    await tx.execute(LOCK_IDENTITIES, IDENTITY_LOCK)


async def find_parent_node(tx: Connection, group_id: UUID | None) -> Node:
    if group_id is None:
        row = await tx.fetchrow(NODE_OF_DEFAULT_POOL)
    else:
        row = await tx.fetchrow(NODE_OF_GROUP, group_id)
    if row is None:
        raise NotFound("default pool" if group_id is None else "group")
    return Node(*row)


async def add_node(tx: Connection, account_id: UUID, kind: NodeKind, parent: Node) -> None:
    """Adds a node under another one, in the same pool."""
    await Account.create(
        using_db=orm(tx),
        id=account_id,
        kind=kind.value,
        provider_account_id=parent.provider_account_id,
        parent_id=parent.account_id,
    )
    note(tx, [hints.ACCOUNT + account_id.bytes])


async def lock_nodes(tx: Connection, *, ids: Sequence[UUID], below: Sequence[UUID]) -> list[Node]:
    return [Node(*row) for row in await tx.fetch(LOCK_NODES, list(ids), list(below))]


async def move_node(
    tx: Connection,
    account_id: UUID,
    *,
    under: UUID | None,
    departed_versions: Mapping[UUID, int],
) -> None:
    await tx.execute(
        MOVE_NODE, account_id, under, list(departed_versions), list(departed_versions.values())
    )
    nodes = [account_id, *departed_versions, *([under] if under else [])]
    note(tx, [kind + node.bytes for node in nodes for kind in (hints.ACCOUNT, hints.BELOW)])


async def add_default_pool(tx: Connection, *, provider: str, unit: str, price: int) -> UUID:
    pool_id, node_id = new_id(), new_id()
    added: UUID | None = await tx.fetchval(
        ADD_DEFAULT_PROVIDER_ACCOUNT, pool_id, provider, node_id, unit, price
    )
    if added is None:
        return (await ProviderAccount.get(is_default=True, using_db=orm(tx))).id
    await Account.create(
        using_db=orm(tx), id=node_id, kind=NodeKind.POOL.value, provider_account_id=pool_id
    )
    return pool_id
