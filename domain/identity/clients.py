"""Adding and changing groups and clients, and moving clients between groups.

The version of a figure is the sum of the versions of its nodes and of their departed versions. A
reader drops a figure with a smaller version than the one it has, so no version may ever decrease.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

from domain.errors import InvalidInput, NotFound
from domain.identity.access import Everything
from domain.identity.directory import (
    KEEP,
    Client,
    ClientStatus,
    Group,
    Keep,
    assigned_numbers_of,
    business_of,
    kept,
    name_of,
    rate_of,
    threshold_of,
)
from domain.identity.ports import IdentityStore, Node
from domain.identity.quiet_hours import QuietHours
from domain.ids import new_id
from domain.numbers import Normaliser
from domain.transactions import Transaction, changing


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupChange:
    """The requested changes of a group. None clears a field."""

    name: str | Keep | None = KEEP
    rate_per_unit_usd: Decimal | Keep | None = KEEP


@dataclass(frozen=True, slots=True, kw_only=True)
class NewClient:
    """The requested fields of a new client."""

    name: str
    business: str | None = None
    status: ClientStatus = ClientStatus.ACTIVE
    group_id: UUID | None = None
    rate_per_unit_usd: Decimal | None = None
    assigned_numbers: Sequence[str] | None = None
    low_balance_threshold: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientChange:
    """The requested changes of a client. None clears a field."""

    name: str | Keep | None = KEEP
    business: str | Keep | None = KEEP
    status: ClientStatus | Keep | None = KEEP
    group_id: UUID | Keep | None = KEEP
    rate_per_unit_usd: Decimal | Keep | None = KEEP
    assigned_numbers: Sequence[str] | Keep | None = KEEP
    low_balance_threshold: int | Keep | None = KEEP
    quiet_hours: QuietHours | Keep | None = KEEP


async def create_group(
    store: IdentityStore, *, name: str, rate_per_unit_usd: Decimal | None
) -> Group:
    """Adds a group under the default pool. It holds nothing. Raises InvalidInput."""
    group = group_of(name, rate_per_unit_usd)
    async with changing(store) as tx:
        await store.add_group(tx, group, await store.find_parent_node(tx, None))
    return group


def group_of(name: str, rate_per_unit_usd: Decimal | None = None) -> Group:
    """The requested group, with new IDs. Raises InvalidInput."""
    return Group(
        id=new_id(),
        name=name_of(name),
        rate_per_unit_usd=rate_of(rate_per_unit_usd),
        account_id=new_id(),
    )


async def update_group(store: IdentityStore, group_id: UUID, change: GroupChange) -> Group:
    """Changes a group. Raises InvalidInput or NotFound."""
    async with changing(store, repeatable=True) as tx:
        await store.lock_identities(tx)
        group = (await store.find_groups([group_id], tx=tx)).get(group_id)
        if group is None:
            raise NotFound("group")
        group = replace(
            group,
            name=group.name if isinstance(change.name, Keep) else name_of(change.name),
            rate_per_unit_usd=rate_of(kept(change.rate_per_unit_usd, group.rate_per_unit_usd)),
        )
        await store.update_group(tx, group)
        await store.note_access_changes(tx, [group_id])
    return group


async def create_client(store: IdentityStore, normaliser: Normaliser, new: NewClient) -> Client:
    """Adds a client to the default pool. It holds nothing. Raises InvalidInput or NotFound."""
    client = client_of(new, normaliser)
    async with changing(store) as tx:
        await store.lock_identities(tx)
        parent = await store.find_parent_node(tx, client.group_id)
        await store.add_client(tx, client, parent)
    return client


def client_of(new: NewClient, normaliser: Normaliser) -> Client:
    """The requested client, with new IDs. Raises InvalidInput."""
    return Client(
        id=new_id(),
        name=name_of(new.name),
        business=business_of(new.business),
        status=new.status,
        group_id=new.group_id,
        account_id=new_id(),
        rate_per_unit_usd=rate_of(new.rate_per_unit_usd),
        assigned_numbers=assigned_numbers_of(new.assigned_numbers, normaliser),
        created_at=datetime.now(UTC),
        low_balance_threshold=threshold_of(new.low_balance_threshold),
    )


async def update_client(
    store: IdentityStore, normaliser: Normaliser, client_id: UUID, change: ClientChange
) -> Client:
    """Changes a client. Raises InvalidInput or NotFound.

    A client that leaves a group keeps its units. The supervisors of that group lose access to it.
    """
    async with changing(store, repeatable=True) as tx:
        await store.lock_identities(tx)
        before = await existing_client(store, tx, client_id)
        client = changed_client(before, change, normaliser)
        if client.group_id != before.group_id:
            await _move(store, tx, before, to_group_id=client.group_id)
        await store.update_client(tx, client)
        await store.note_access_changes(tx, [client_id])
    return client


async def existing_client(store: IdentityStore, tx: Transaction, client_id: UUID) -> Client:
    """The client. Raises NotFound."""
    found = (await store.find_clients(Everything(), [client_id], tx=tx)).get(client_id)
    if found is None:
        raise NotFound("client")
    return found


def changed_client(client: Client, change: ClientChange, normaliser: Normaliser) -> Client:
    """The client after the change. Raises InvalidInput."""
    status = kept(change.status, client.status)
    if status is None:
        raise InvalidInput("status cannot be cleared. Leave it out to keep it.", field="status")
    numbers = client.assigned_numbers
    if not isinstance(change.assigned_numbers, Keep):
        numbers = assigned_numbers_of(change.assigned_numbers, normaliser)
    return replace(
        client,
        name=client.name if isinstance(change.name, Keep) else name_of(change.name),
        business=business_of(kept(change.business, client.business)),
        status=status,
        group_id=kept(change.group_id, client.group_id),
        rate_per_unit_usd=rate_of(kept(change.rate_per_unit_usd, client.rate_per_unit_usd)),
        assigned_numbers=numbers,
        low_balance_threshold=threshold_of(
            kept(change.low_balance_threshold, client.low_balance_threshold)
        ),
        quiet_hours=kept(change.quiet_hours, client.quiet_hours),
    )


def departures(
    nodes: Sequence[Node],
    mover_id: UUID,
    *,
    left_id: UUID | None,
    joined_id: UUID | None,
    pool_id: UUID,
) -> dict[UUID, int]:
    """The departed versions of the nodes that change when a client moves between groups.

    `nodes`: those of the client, of the pool, and of both groups with their members. The version of
    every figure that changes becomes one more than the largest that a reader of it has seen. The
    node of the pool is changed by the opposite, so that the sum over the pool grows by one only:
    otherwise versions would double with every move.
    """
    by_id = {node.account_id: node for node in nodes}
    mover = by_id[mover_id]
    own, left, joined = _total(mover), _figure(nodes, left_id), _figure(nodes, joined_id)
    lifts: dict[UUID, int] = {}
    if mover.parent_id is None:  # it owns its pool, and its units are not in the group's figure
        lifts[mover_id] = max(left - joined, 0)
    else:
        seen = max(own, left)
        if left_id is not None:
            lifts[left_id] = own + 1
        if joined_id is not None:
            lifts[joined_id] = max(seen, joined) + 1 - (joined + own)
        else:
            lifts[mover_id] = seen + 1 - own
        lifts[pool_id] = 1 - sum(lifts.values())
    return {node: by_id[node].departed_version + lift for node, lift in lifts.items()}


async def _move(
    store: IdentityStore, tx: Transaction, client: Client, *, to_group_id: UUID | None
) -> None:
    new_parent = await store.find_parent_node(tx, to_group_id)
    old_parent = await store.find_parent_node(tx, client.group_id)
    left_id = old_parent.account_id if client.group_id else None
    joined_id = new_parent.account_id if to_group_id else None
    groups = [each for each in (left_id, joined_id) if each is not None]
    pool_id = (old_parent if left_id else new_parent).parent_id
    assert pool_id is not None  # a group is directly below a pool
    nodes = await store.lock_nodes(tx, ids=[client.account_id, pool_id, *groups], below=groups)
    node = next(each for each in nodes if each.account_id == client.account_id)
    # The node of a provider account that the client owns stays outside the group.
    is_member = node.parent_id is not None
    if is_member and node.provider_account_id != new_parent.provider_account_id:
        raise InvalidInput(
            "The units of this group are in another pool. Choose another group.", field="groupId"
        )
    await store.move_node(
        tx,
        node.account_id,
        under=new_parent.account_id if is_member else None,
        departed_versions=departures(
            nodes, node.account_id, left_id=left_id, joined_id=joined_id, pool_id=pool_id
        ),
    )
    await store.release_supervisors(tx, client.id, outside_group_id=to_group_id)


def _total(node: Node) -> int:
    return node.version + node.departed_version


def _figure(nodes: Sequence[Node], group_node_id: UUID | None) -> int:
    """The version of the figure of a group; 0 without a group."""
    if group_node_id is None:
        return 0
    shown = (each for each in nodes if group_node_id in (each.account_id, each.parent_id))
    return sum(_total(each) for each in shown)
