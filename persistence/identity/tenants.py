"""Users, groups, clients and their nodes in SQL, as they are made, changed and moved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING
from uuid import UUID

import asyncpg

from domain.errors import InvalidInput, NotFound
from domain.identity.ports import Node
from domain.identity.records import Client, Group, User
from domain.ids import new_id
from domain.ledger.book import NodeKind
from domain.live import hints
from persistence.live.hints import note

if TYPE_CHECKING:
    from persistence.database import Connection

PEOPLE_LOCK = 0x1B1C2

NODE_COLUMNS = "account.id, parent_id, provider_account_id, version, departed_version"

LOCK_PEOPLE = "SELECT pg_advisory_xact_lock($1)"

# A change counts from when it is written, the last thing before the commit, not from when its
# transaction began: see `persistence.identity.actors.OVERLAP_SECONDS`.
NOTE_ACCESS_CHANGES = """
INSERT INTO access_change (id, subject_id, created_at)
SELECT id, subject_id, clock_timestamp()
FROM unnest($1::uuid[], $2::uuid[]) AS changed (id, subject_id)
"""

HOME_OF_GROUP = f"""
SELECT {NODE_COLUMNS} FROM client_group JOIN account ON account.id = client_group.account_id
WHERE client_group.id = $1
"""  # noqa: S608 - columns of our own
HOME_OF_NO_GROUP = f"""
SELECT {NODE_COLUMNS}
FROM provider_account AS upstream JOIN account ON account.id = upstream.account_id
WHERE upstream.is_default
"""  # noqa: S608 - columns of our own

# In id order, as everybody locks nodes: a send and a move never wait for each other in a circle.
LOCK_NODES = f"""
SELECT {NODE_COLUMNS} FROM account
WHERE id = ANY($1::uuid[]) OR parent_id = ANY($2::uuid[]) ORDER BY id FOR UPDATE
"""  # noqa: S608 - columns of our own
ADD_NODE = """
INSERT INTO account (id, kind, provider_account_id, parent_id) VALUES ($1, $2, $3, $4)
"""
MOVE_NODE = """
UPDATE account
SET parent_id = CASE WHEN account.id = $1 THEN coalesce($2, parent_id) ELSE parent_id END,
    departed_version = coalesce(departed.version, departed_version)
FROM (SELECT $1::uuid UNION SELECT unnest($3::uuid[])) AS touched (id)
LEFT JOIN unnest($3::uuid[], $4::int8[]) AS departed (id, version) USING (id)
WHERE account.id = touched.id
"""

WRITE_GROUP = """
INSERT INTO client_group (id, name, rate_per_unit_usd, account_id) VALUES ($1, $2, $3, $4)
ON CONFLICT (id) DO UPDATE
SET name = excluded.name, rate_per_unit_usd = excluded.rate_per_unit_usd
"""
WRITE_CLIENT = """
INSERT INTO client (
    id, name, business, status, group_id, rate_per_unit_usd, account_id, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT (id) DO UPDATE
SET name = excluded.name, business = excluded.business, status = excluded.status,
    group_id = excluded.group_id, rate_per_unit_usd = excluded.rate_per_unit_usd
"""
DROP_NUMBERS = "DELETE FROM assigned_number WHERE client_id = $1 AND number <> ALL($2::text[])"
ADD_NUMBERS = """
INSERT INTO assigned_number (number, client_id)
SELECT number, $1 FROM unnest($2::text[]) AS given (number) ORDER BY number
ON CONFLICT (number) DO NOTHING
"""
NUMBER_OF_ANOTHER = """
SELECT number FROM assigned_number
WHERE number = ANY($2::text[]) AND client_id <> $1 ORDER BY number LIMIT 1
"""

ADD_USER = """
INSERT INTO app_user (id, email, role, client_id, group_id, disabled, created_at, password_hash)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
"""
CHANGE_USER = """
UPDATE app_user
SET role = $2, client_id = $3, group_id = $4, disabled = $5,
    password_hash = coalesce($6, password_hash)
WHERE id = $1
"""
RELEASE_SUPERVISORS = """
UPDATE app_user SET client_id = NULL
WHERE client_id = $1 AND role = 'SUPERVISOR' AND group_id IS DISTINCT FROM $2
"""
ACTIVE_ADMINS = "SELECT id FROM app_user WHERE role = 'ADMIN' AND NOT disabled"
END_SESSIONS = """
UPDATE session SET revoked_at = clock_timestamp() WHERE user_id = $1 AND revoked_at IS NULL
"""

ADD_DEFAULT_PROVIDER_ACCOUNT = """
INSERT INTO provider_account (id, provider, is_default, account_id, unit, price)
VALUES ($1, $2, true, $3, $4, $5)
ON CONFLICT (is_default) WHERE is_default DO NOTHING
RETURNING id
"""
DEFAULT_PROVIDER_ACCOUNT = "SELECT id FROM provider_account WHERE is_default"


async def lock_identities(tx: Connection) -> None:
    """One change of people at a time, until the transaction ends."""
    await tx.execute(LOCK_PEOPLE, PEOPLE_LOCK)


async def note_access_changes(tx: Connection, subject_ids: Sequence[UUID]) -> None:
    """Tells every process that what it knows of these is out of date. Last before a commit."""
    await tx.execute(NOTE_ACCESS_CHANGES, [new_id() for _ in subject_ids], list(subject_ids))


async def find_parent_node(tx: Connection, group_id: UUID | None) -> Node:
    """The node that clients of this group, or of none, stand under. Raises NotFound."""
    if group_id is None:
        row = await tx.fetchrow(HOME_OF_NO_GROUP)
    else:
        row = await tx.fetchrow(HOME_OF_GROUP, group_id)
    if row is None:
        raise NotFound("default pool" if group_id is None else "group")
    return Node(*row)


async def write_group(tx: Connection, group: Group, *, under: Node | None = None) -> None:
    """Writes its fields; a new one with a node of its own under the one given."""
    if under is not None:
        await _add_node(tx, group.account_id, NodeKind.GROUP, under)
    await tx.execute(WRITE_GROUP, group.id, group.name, group.rate_per_unit_usd, group.account_id)
    note(tx, [hints.ACCOUNT + group.account_id.bytes])


async def write_client(tx: Connection, client: Client, *, under: Node | None = None) -> None:
    """Writes its fields; a new one with a node of its own under the one given.

    Raises InvalidInput where an assigned number is another client's.
    """
    if under is not None:
        await _add_node(tx, client.account_id, NodeKind.CLIENT, under)
    await tx.execute(
        WRITE_CLIENT,
        client.id,
        client.name,
        client.business,
        client.status.value,
        client.group_id,
        client.rate_per_unit_usd,
        client.account_id,
        client.created_at,
    )
    note(tx, [hints.ACCOUNT + client.account_id.bytes])
    await _write_numbers(tx, client)


async def lock_nodes(tx: Connection, *, ids: Sequence[UUID], below: Sequence[UUID]) -> list[Node]:
    """These nodes and those right below the others, FOR UPDATE in id order."""
    return [Node(*row) for row in await tx.fetch(LOCK_NODES, list(ids), list(below))]


async def move_node(
    tx: Connection,
    account_id: UUID,
    *,
    under: UUID | None,
    departed_versions: Mapping[UUID, int],
) -> None:
    """Puts a node under another (None: where it is), and writes the departed versions."""
    await tx.execute(
        MOVE_NODE, account_id, under, list(departed_versions), list(departed_versions.values())
    )
    nodes = [account_id, *departed_versions, *([under] if under else [])]
    note(tx, [kind + node.bytes for node in nodes for kind in (hints.ACCOUNT, hints.BELOW)])


async def release_supervisors(
    tx: Connection, client_id: UUID, *, outside_group_id: UUID | None
) -> None:
    """Takes the client away from supervisors of any group but this."""
    await tx.execute(RELEASE_SUPERVISORS, client_id, outside_group_id)


async def write_user(tx: Connection, user: User, *, password_hash: str | None = None) -> None:
    """Writes the fields of a user that is there. Email and creation stay."""
    await tx.execute(
        CHANGE_USER,
        user.id,
        user.role.value,
        user.client_id,
        user.group_id,
        user.disabled,
        password_hash,
    )


async def add_user(tx: Connection, user: User, *, password_hash: str) -> None:
    """Adds a user. Raises InvalidInput where the email is another user's."""
    try:
        await tx.execute(
            ADD_USER,
            user.id,
            user.email,
            user.role.value,
            user.client_id,
            user.group_id,
            user.disabled,
            user.created_at,
            password_hash,
        )
    except asyncpg.UniqueViolationError:
        raise InvalidInput("Another user has this email.", field="email") from None


async def active_admins(tx: Connection) -> set[UUID]:
    """The admins that are not disabled."""
    return {row[0] for row in await tx.fetch(ACTIVE_ADMINS)}


async def end_sessions_of(tx: Connection, user_id: UUID) -> None:
    """Ends all sessions of a user."""
    await tx.execute(END_SESSIONS, user_id)


async def add_default_pool(tx: Connection, *, provider: str, unit: str, price: int) -> UUID:
    """The default provider account; made, with its node, where there is none."""
    made, node_id = new_id(), new_id()
    made_id = await tx.fetchval(ADD_DEFAULT_PROVIDER_ACCOUNT, made, provider, node_id, unit, price)
    if made_id is None:
        found: UUID = await tx.fetchval(DEFAULT_PROVIDER_ACCOUNT)
        return found
    await tx.execute(ADD_NODE, node_id, NodeKind.POOL.value, made, None)
    return made


async def _add_node(tx: Connection, account_id: UUID, kind: NodeKind, under: Node) -> None:
    await tx.execute(ADD_NODE, account_id, kind.value, under.provider_account_id, under.account_id)


async def _write_numbers(tx: Connection, client: Client) -> None:
    numbers = list(client.assigned_numbers)
    await tx.execute(DROP_NUMBERS, client.id, numbers)
    await tx.execute(ADD_NUMBERS, client.id, numbers)
    taken = await tx.fetchval(NUMBER_OF_ANOTHER, client.id, numbers)
    if taken is not None:
        raise InvalidInput(f"{taken} is assigned to another client.", field="assignedNumbers")
