"""Balances, allocations, statements and audits, as the API shows them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import strawberry

from domain.ledger import allocate, balances, statement
from domain.ledger import ports as pools
from domain.ledger.balances import SyncState
from domain.ledger.book import TransferKind
from domain.ledger.sync import Synced as DomainSynced
from resolvers.ids import Kind
from resolvers.ledger import ledger
from resolvers.pages import by_id, by_number
from schema import errors
from schema.binding import stands_for
from schema.connections import connection_field
from schema.identity.directory import Client, Group
from schema.ids import id_of
from schema.scalars import Money, Units


@strawberry.type
@stands_for(balances.AccountBalance)
class AccountBalance:
    account_id: strawberry.ID = id_of(Kind.ACCOUNT)
    unit: str
    balance: Units
    value_usd: Money | None
    rate_per_unit_usd: Money | None
    price_per_message: Units


@strawberry.type
@stands_for(balances.GroupBalance)
class GroupBalance:
    group_id: strawberry.ID = id_of(Kind.GROUP)
    name: str
    unit: str
    balance: Units
    unallocated: Units


@strawberry.type
@stands_for(balances.PlatformBalance)
class PlatformBalance:
    unit: str
    pool: Units = strawberry.field(
        description="The pool: what may still be sent. "
        "Equals providerBalance (converted) less inFlight right after a sync."
    )
    allocated: Units = strawberry.field(description="Sum of what clients hold.")
    remaining: Units = strawberry.field(
        description="pool - allocated. "
        "Below zero means that more was given out than the provider holds."
    )
    in_flight: Units = strawberry.field(
        description="Charged, not yet taken by the provider (QUEUED and SUBMITTING)."
    )
    provider_balance: str | None = strawberry.field(
        description="As the provider said it at lastSyncedAt, in its own unit."
    )
    last_synced_at: datetime | None
    state: SyncState


@strawberry.type
@stands_for(balances.Balances)
class Balances:
    account: AccountBalance | None = strawberry.field(
        description="The client's own account. Null for an admin without one."
    )
    group: GroupBalance | None = strawberry.field(
        description="The pool of the client's group: what it holds itself and what its members "
        "hold. Null without a group."
    )
    platform: PlatformBalance | None = strawberry.field(
        description="The default provider account's pool (others: providerAccounts), or that of "
        "the client named. ADMIN; null for others, but for a client with a provider account of "
        "its own, who sees that."
    )
    version: Units = strawberry.field(
        description="Never falls; grows with every change of a holding. "
        "A reader drops what is smaller than what it has."
    )


@strawberry.type
@stands_for(balances.Allocation)
class Allocation:
    client = strawberry.field(resolver=ledger.client_of, graphql_type=Client)
    balance: Units
    unit: str
    rate_per_unit_usd: Money | None
    value_usd: Money | None
    group = strawberry.field(resolver=ledger.group_of, graphql_type=Group | None)
    last_sent_at: datetime | None


@strawberry.type
@stands_for(statement.StatementLine)
class Transfer:
    id: strawberry.ID = id_of(Kind.TRANSFER)
    kind: TransferKind
    amount: Units = strawberry.field(description="Signed, as seen from the viewed account.")
    unit: str
    rate_per_unit_usd: Money | None
    balance_after: Units = strawberry.field(
        description="Balance of the viewed account after this transfer."
    )
    value_usd: Money | None
    description: str
    send_id: strawberry.ID | None = id_of(Kind.SEND)
    created_at: datetime


@strawberry.type
@stands_for(balances.ProviderAccountFigures)
class ProviderAccount:
    id: strawberry.ID = id_of(Kind.PROVIDER_ACCOUNT)
    provider: str
    owner = strawberry.field(resolver=ledger.owner_of, graphql_type=Client | None)
    unit: str
    price_per_message: Units
    provider_balance: str | None
    last_checked_at: datetime | None
    platform: PlatformBalance


@strawberry.type
@stands_for(pools.AuditFindings)
class LedgerAudit:
    holds: bool
    accounts_checked: int
    transfers_checked: int
    messages_checked: int
    violations: list[str]
    checked_at: datetime


@strawberry.type
@stands_for(allocate.Allocated)
class Allocated:
    allocation: Allocation | None = strawberry.field(description="Null for a group.")
    transfer: Transfer
    balances: Balances


@strawberry.type
@stands_for(DomainSynced)
class Synced:
    balances = strawberry.field(resolver=ledger.balances_of, graphql_type=Balances)
    previous_pool: Units
    change: Units
    in_flight: Units
    checked_at: datetime


SyncResult = Annotated[
    Synced | errors.ProviderUnavailable | errors.NotFound, strawberry.union("SyncResult")
]
AllocateResult = Annotated[
    Allocated
    | errors.InsufficientPool
    | errors.InsufficientBalance
    | errors.InvalidInput
    | errors.IdempotencyConflict
    | errors.NotFound
    | errors.OutcomeUnknown,
    strawberry.union("AllocateResult"),
]


@strawberry.type
class LedgerQuery:
    balances = strawberry.field(
        resolver=ledger.balances,
        graphql_type=Balances,
        description="Present balances that the viewer may see. "
        "An admin or supervisor can name a client.",
    )
    allocations = connection_field(
        ledger.allocations,
        Allocation,
        cursors=by_id("client_id"),
        description="What each client of the default pool holds, with its value in USD. "
        "Supervisors see their group. ADMIN or SUPERVISOR.",
    )
    transfers = connection_field(
        ledger.transfers,
        Transfer,
        cursors=by_number("version"),
        description="The statement of an account: of the given client, else of the viewer's own "
        "account, group or the default pool, newest first unless orderBy says otherwise. `kind` is "
        "the same as `filter.kind`: give only one of them.",
    )
    provider_accounts = strawberry.field(
        resolver=ledger.provider_accounts,
        graphql_type=list[ProviderAccount],
        description="ADMIN.",
    )
    ledger_audit = strawberry.field(
        resolver=ledger.ledger_audit,
        graphql_type=LedgerAudit,
        description="Proves the ledger from its entries: every balance recomputed, every message "
        "matched to its charge. ADMIN.",
    )


@strawberry.type
class LedgerMutation:
    sync = strawberry.field(
        resolver=ledger.sync,
        graphql_type=SyncResult,
        description="Asks the provider for the real balance and sets the pool to it. "
        "Moves no client's credits.",
    )
    allocate = strawberry.field(
        resolver=ledger.allocate,
        graphql_type=AllocateResult,
        description="Positive gives, negative takes back. ADMIN: between the pool's own units and "
        "a client or a group. SUPERVISOR: between the own group's units and its clients.",
    )
