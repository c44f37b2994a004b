"""Balances, allocations and statements, as the API shows them."""

from __future__ import annotations

from datetime import datetime

import strawberry

from domain.ids import Kind
from domain.ledger import alarms, allocate, balances, statement
from domain.ledger.alarms import AlarmKind
from domain.ledger.balances import SyncState
from domain.ledger.book import TransferKind
from domain.ledger.sync import Synced as DomainSynced
from resolvers.ledger import ledger, provider_accounts
from resolvers.pages import BY_VERSION, by_id
from schema import errors
from schema.connections import connection_field
from schema.fields import described, mutation_field, resolved_field
from schema.identity.directory import Client, Group
from schema.nodes import Node
from schema.values import Money, Units, id_of, represents


@strawberry.type(description="What a client holds.")
@represents(balances.AccountBalance)
class AccountBalance:
    account_id: strawberry.ID = id_of(Kind.ACCOUNT)
    unit: str = described('The unit of the pool: "credit", or a currency such as "UGX".')
    balance: Units = described("Units that the client holds.")
    value_usd: Money | None = described("The balance at the rate, in USD. Null without a rate.")
    rate_per_unit_usd: Money | None = described(
        "The client's rate, or its group's if the client has none. Null if neither has one."
    )
    price_per_message: Units = described("Units charged for one message.")
    low_balance_threshold: Units | None = described(
        "The balance is low if it is less than this. Null without a threshold."
    )
    is_low: bool = described("Whether the client holds less than lowBalanceThreshold.")


@strawberry.type(description="What a group holds.")
@represents(balances.GroupBalance)
class GroupBalance:
    group_id: strawberry.ID = id_of(Kind.GROUP)
    name: str = described("The name of the group.")
    unit: str = described("The unit of the pool.")
    balance: Units = described("Units held by the group and its clients together.")
    unallocated: Units = described("Units held by the group itself.")


@strawberry.type(description="Something about a pool that a person should look at.")
@represents(alarms.Alarm)
class Alarm:
    kind: AlarmKind = described("What is wrong.")
    message: str = described("What is wrong and what to do, in a sentence.")
    since: datetime = described("Since when.")
    count: Units = described(
        "How many: units for OVER_ALLOCATED, clients for LOW_BALANCE, wrong charges "
        "(or 1) for NEEDS_SYNC, messages for the others."
    )


@strawberry.type(description="A pool and the last balance that its provider reported.")
@represents(balances.PlatformBalance)
class PlatformBalance:
    unit: str = described("The unit of the pool.")
    pool: Units = described(
        "Units of the pool that are not charged yet. "
        "Equals providerBalance (converted) less inFlight right after a sync."
    )
    allocated: Units = described("Sum of what clients hold.")
    remaining: Units = described(
        "pool - allocated. Below zero if more was allocated than the provider holds."
    )
    in_flight: Units = described(
        "Charged, but not accepted by the provider yet (QUEUED and SUBMITTING)."
    )
    provider_balance: str | None = described(
        "As the provider reported it at lastSyncedAt, in its own unit. Null if it never has."
    )
    last_synced_at: datetime | None = described(
        "When the provider reported its balance. Null if it never has."
    )
    state: SyncState = described("Whether the pool agrees with its provider.")
    alarms: list[Alarm] = described("What a person should look at now; empty if all is well.")


@strawberry.type(description="All figures from one moment.")
@represents(balances.Balances)
class Balances:
    account: AccountBalance | None = described(
        "The client's own account. Null for an admin without one."
    )
    group: GroupBalance | None = described(
        "The pool of the client's group: what it holds itself and what its members "
        "hold. Null without a group."
    )
    platform: PlatformBalance | None = described(
        "The default provider account's pool (others: providerAccounts), or that of "
        "the client named. Null for users who are not admins, except for a client with its own "
        "provider account: it sees that account."
    )
    version: Units = described(
        "Grows with every change of a holding and never decreases. "
        "Ignore an answer with a smaller version than the last one."
    )


@strawberry.type(description="What a client holds, for lists.")
@represents(balances.Allocation)
class Allocation:
    client = resolved_field(
        ledger.clients_of, Client, description="The client that holds the units."
    )
    balance: Units = described("Units that the client holds.")
    unit: str = described("The unit of the pool.")
    rate_per_unit_usd: Money | None = described(
        "The client's rate, or its group's if the client has none. Null if neither has one."
    )
    value_usd: Money | None = described("The balance at the rate, in USD. Null without a rate.")
    group = resolved_field(
        ledger.groups_of, Group | None, description="Its group. Null without one."
    )
    last_sent_at: datetime | None = described(
        "When the client last sent something. Null if it never has."
    )


@strawberry.type(description="A movement of units, as seen from one account.")
@represents(statement.StatementLine)
class Transfer:
    id: strawberry.ID = id_of(Kind.TRANSFER)
    kind: TransferKind = described("Why the units moved.")
    amount: Units = described("Negative if units left the viewed account.")
    unit: str = described("The unit of the pool.")
    rate_per_unit_usd: Money | None = described(
        "The rate at that time. Null if the transfer has no value in USD."
    )
    balance_after: Units = described("Balance of the viewed account after this transfer.")
    value_usd: Money | None = described("The value at ratePerUnitUsd, in USD. Null without a rate.")
    description: str = described("The transfer in words.")
    send_id: strawberry.ID | None = id_of(
        Kind.SEND, description="The send that it belongs to. Null if it belongs to none."
    )
    created_at: datetime = described("When the units moved.")


@strawberry.type(description="A value of an account at a provider that is not secret.")
@represents(provider_accounts.ProviderValue)
class ProviderValue:
    name: str = described("Its name, as in providerKinds.")
    value: str = described("What was given.")


@strawberry.type(description="An account at a provider.")
@represents(balances.ProviderAccountFigures)
class ProviderAccount(Node):
    id: strawberry.ID = id_of(Kind.PROVIDER_ACCOUNT)
    provider: str = described("The name of the provider.")
    owner = resolved_field(
        ledger.owners_of,
        Client | None,
        description="The client that owns the account; null for the platform's own.",
    )
    unit: str = described("The unit of its pool.")
    price_per_message: Units = described("Units charged for one message.")
    provider_balance: str | None = described(
        "The balance as the provider reported it, in its own unit. Null if it never has."
    )
    last_checked_at: datetime | None = described(
        "When the provider reported it. Null if it never has."
    )
    platform: PlatformBalance = described("The figures of its pool.")
    name: str | None = described("Its name for admins. Null without one.")
    is_default: bool = described(
        "Whether it is the default account: new clients and groups use it."
    )
    paused: bool = described("Whether a person has paused it, so that its messages wait.")
    paused_at: datetime | None = described("Since when it is paused. Null if it is not.")
    messages_per_second: int | None = described(
        "The most messages a second. Null: the limit of the installation."
    )
    configuration = resolved_field(
        provider_accounts.configuration_of,
        list[ProviderValue] | None,
        description="Its values that are not secret, by name. Null if the settings of the "
        "installation have them, and for a client's own account.",
    )
    webhook_path = resolved_field(
        provider_accounts.webhook_path_of,
        str,
        description="The path that the provider calls for this account, after PUBLIC_URL. If the "
        "provider can neither sign nor send a header, add a slash and a WEBHOOK_SECRET. Needed if "
        "there are several accounts at the provider.",
    )


@strawberry.type(description="An allocation and the figures after it.")
@represents(allocate.Allocated)
class Allocated:
    allocation: Allocation | None = described("Null for a group.")
    transfer: Transfer = described("The transfer as the client or group sees it.")
    balances: Balances = described("The balances after it.")


@strawberry.type(description="The result of a sync, in units.")
@represents(DomainSynced)
class Synced:
    balances: Balances = described("The balances after it.")
    previous_pool: Units = described("The pool before.")
    change: Units = described("By how much the pool changed.")
    in_flight: Units = described("Charged messages that the reading does not include yet.")
    checked_at: datetime = described("When the balance was read.")


@strawberry.type
class LedgerQuery:
    balances = resolved_field(
        ledger.balances,
        Balances,
        description="Present balances that the viewer may see. "
        "An admin or supervisor can name a client.",
    )
    allocations = connection_field(
        ledger.allocations,
        Allocation,
        cursors=by_id("client_id"),
        description="What each client of the default pool holds, with its value in USD. "
        "Supervisors see their group.",
    )
    transfers = connection_field(
        ledger.transfers,
        Transfer,
        cursors=BY_VERSION,
        description="The statement of an account: of the given client, else of the viewer's own "
        "account, group or the default pool, newest first unless orderBy says otherwise. `kind` is "
        "the same as `filter.kind`: give only one of them.",
    )
    provider_accounts = resolved_field(
        ledger.provider_accounts,
        list[ProviderAccount],
        description="All provider accounts, the default one first.",
    )


@strawberry.type
class LedgerMutation:
    sync = mutation_field(
        ledger.sync,
        Synced,
        refusals=(errors.ProviderUnavailable, errors.NotFound),
        description="Reads the provider's balance and sets the pool to it. "
        "Moves no client's credits.",
    )
    set_provider_credentials = mutation_field(
        ledger.set_provider_credentials,
        ProviderAccount,
        refusals=(errors.InvalidInput, errors.NotFound),
        description="Gives a client (a school) its own provider account, or new credentials "
        "for it. The secret is stored encrypted and never shown again. Refused while the client "
        "holds units or has unfinished messages in another pool.",
    )
    allocate = mutation_field(
        ledger.allocate,
        Allocated,
        refusals=(
            errors.InsufficientPool,
            errors.InsufficientBalance,
            errors.InvalidInput,
            errors.IdempotencyConflict,
            errors.NotFound,
            errors.OutcomeUnknown,
        ),
        description="Positive units give, negative take back. An admin moves them between the pool "
        "and a client or a group, a supervisor between its group and the group's clients.",
    )
