"""The pool of a client: that of its own provider account (schools), or one that it is moved to.

The credentials of an account are encrypted before they are stored, and nothing returns them.

Units cannot move between pools, because each pool is what one provider owes. So a client that moves
holds nothing and has no unfinished messages. Its former account stays, with its transfers.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Final, Protocol
from uuid import UUID

from domain.errors import InvalidInput, ProviderUnavailable, units_in_words
from domain.identity.clients import existing_client
from domain.identity.directory import Client
from domain.identity.ports import IdentityStore
from domain.ids import new_id
from domain.ledger.balances import ProviderAccountFigures, Valuation
from domain.ledger.book import Holding
from domain.ledger.ports import Ledger
from domain.provider import Credentials
from domain.transactions import Transaction, changing

LARGEST_PRICE: Final = 1_000_000_000
# No control characters, and no blanks at the ends: they come from copying.
USABLE: Final = re.compile(r"(?!\s)[^\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]{1,255}(?<!\s)")

NOT_CONFIGURED: Final = (
    "There is no EgoSMS account of the platform. Give a username and a password, or set"
    " EGOSMS_USERNAME and EGOSMS_PASSWORD and restart."
)


class CredentialsUnreadable(ProviderUnavailable):
    """{reason}"""

    def __init__(self) -> None:
        super().__init__(
            "The sign-in of this account cannot be read. Your operator has to set it again.",
            for_operator="No key of ENCRYPTION_KEYS decrypts the secrets of this account. Put the"
            " old key back and restart, or set the secrets again.",
        )


@dataclass(frozen=True, slots=True)
class Terms:
    """The unit and the valuation of clients' own accounts at one provider."""

    unit: str
    valuation: Valuation


TERMS: Final = {"egosms": Terms("UGX", Valuation.EGOSMS_OWN)}
"""The providers at which clients may have their own accounts."""


class Cipher(Protocol):
    """Encrypts the secrets of provider accounts with the keys of the installation."""

    def encrypt(self, provider_account_id: UUID, secrets: Mapping[str, str]) -> bytes:
        """The encrypted secrets. They can be decrypted for this provider account only."""

    def decrypt(self, provider_account_id: UUID, encrypted: bytes) -> dict[str, str]:
        """The secrets of this provider account, by name. Raises CredentialsUnreadable."""


@dataclass(frozen=True, slots=True)
class OwnAccountRules:
    """The cipher, the usual price, and the providers that the platform itself can sign in to."""

    cipher: Cipher
    price: int = 50
    platform_providers: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCredentials:
    """The requested credentials. Both are empty: the account of the platform is used.

    `price`: units for one message; None keeps the present price, or takes the usual one.
    """

    client_id: UUID
    provider: str
    username: str = field(repr=False)
    password: str = field(repr=False)
    price: int | None = None


@dataclass(frozen=True, slots=True)
class NewProviderAccount:
    """A provider account to be added. Without an owner it is the platform's.

    `configuration`: the values that are not secret; None if the settings have them.
    """

    id: UUID
    provider: str
    owner_client_id: UUID | None
    terms: Terms
    price: int
    name: str | None = None
    configuration: Mapping[str, str] | None = None
    encrypted: bytes | None = None
    rate_per_second: int | None = None


@dataclass(frozen=True, slots=True)
class SignIn:
    """What a provider account is opened with. `encrypted`: its secrets, None without any.

    `configuration`: its other values. None: the settings have the address, and also the secrets if
    nobody owns the account.
    """

    provider: str
    owner_client_id: UUID | None
    encrypted: bytes | None
    configuration: Mapping[str, str] | None


@dataclass(frozen=True, slots=True)
class AccountRef:
    """A provider account and its pool node."""

    id: UUID
    account_id: UUID


class AccountStore(IdentityStore, Ledger, Protocol):
    """Adding and reading provider accounts."""

    async def add_provider_account(self, tx: Transaction, new: NewProviderAccount) -> AccountRef:
        """Adds a provider account with its pool node, which holds nothing."""

    async def read_provider_account(
        self, tx: Transaction, provider_account_id: UUID
    ) -> ProviderAccountFigures:
        """A provider account with the figures of its pool."""

    async def write_sign_in(
        self,
        tx: Transaction,
        provider_account_id: UUID,
        sign_in: SignIn,
        *,
        price: int | None = None,
    ) -> None:
        """Stores what the account is opened with, and when it was set.

        Ends a refusal, and a reading in progress. A price of None is not changed.
        """


class ClientPoolStore(AccountStore, Protocol):
    """What moving a client to another pool, or changing its own provider account, needs.

    Lock in this order: identities, provider account, accounts.
    """

    async def find_account_ref(
        self, tx: Transaction, provider_account_id: UUID
    ) -> tuple[AccountRef, UUID | None]:
        """A provider account, and its owner (None: the platform). Raises NotFound."""

    async def lock_own_account(self, tx: Transaction, client_id: UUID) -> AccountRef | None:
        """The provider account that the client owns, FOR UPDATE. None if it owns none."""

    async def find_platform_account(self, tx: Transaction, provider: str) -> AccountRef | None:
        """The account of the platform at this provider. None if it has none."""

    async def count_open_messages(self, tx: Transaction, client_id: UUID) -> int:
        """How many messages of the client are QUEUED, SUBMITTING or UNKNOWN."""

    async def put_client_under(
        self, tx: Transaction, client_id: UUID, parent_id: UUID, *, as_owner: bool
    ) -> None:
        """Charges the client's sends to a new node below `parent_id`, or to `parent_id` itself.

        `as_owner`: to `parent_id` itself, the pool node of the client's own account. The versions
        of the client's figures do not decrease.
        """


async def set_credentials(
    store: ClientPoolStore, rules: OwnAccountRules, requested: NewCredentials
) -> ProviderAccountFigures:
    """Gives the client its own provider account, or new credentials for the one it has.

    Without username and password, the client's sends are charged below the platform's account. Safe
    to repeat. Raises InvalidInput (also if the client holds units, or has undecided messages, at
    another account) or NotFound.
    """
    provider = requested.provider.strip().lower()
    credentials = _checked(rules, provider, requested)
    async with changing(store, repeatable=True) as tx:
        await store.lock_identities(tx)
        client = await existing_client(store, tx, requested.client_id)
        account = await _account(store, rules, tx, client, provider, credentials, requested.price)
        if credentials is not None:
            encrypted = rules.cipher.encrypt(account.id, asdict(credentials))
            sign_in = SignIn(provider, client.id, encrypted, None)
            await store.write_sign_in(tx, account.id, sign_in, price=requested.price)
        await store.note_access_changes(tx, [client.id])
        return await store.read_provider_account(tx, account.id)


async def move_client(store: ClientPoolStore, client_id: UUID, provider_account_id: UUID) -> Client:
    """Charges the client's sends to the pool of this provider account from now on. Safe to repeat.

    Raises NotFound, or InvalidInput if the client would leave something behind.
    """
    async with changing(store, repeatable=True) as tx:
        await store.lock_identities(tx)
        client = await existing_client(store, tx, client_id)
        account, owner_id = await store.find_account_ref(tx, provider_account_id)
        if owner_id not in (None, client.id):
            raise InvalidInput(
                "Another client owns this provider account. Choose another account.",
                field="providerAccountId",
            )
        present = (await store.lock_accounts(tx, [client.account_id])).holdings[client.account_id]
        if present.provider_account_id == account.id:
            return client
        await _check_unused(store, tx, client, present)
        parent_id = account.account_id
        if owner_id is None and client.group_id is not None:
            group = await store.find_parent_node(tx, client.group_id)
            if group.provider_account_id != account.id:
                raise InvalidInput(
                    "The units of the client's group are in another pool. Take the client out of"
                    " the group first.",
                    field="clientId",
                )
            parent_id = group.account_id
        await store.put_client_under(tx, client.id, parent_id, as_owner=owner_id is not None)
        await store.note_access_changes(tx, [client.id])
        return await existing_client(store, tx, client_id)


async def unreadable_accounts(
    credentials: Sequence[tuple[UUID, bytes]], cipher: Cipher
) -> list[UUID]:
    """The accounts whose credentials no key decrypts. `credentials`: those of each account."""
    unreadable = []
    for account_id, encrypted in credentials:
        try:
            cipher.decrypt(account_id, encrypted)
        except CredentialsUnreadable:
            unreadable.append(account_id)
        await asyncio.sleep(0)  # there can be thousands
    return unreadable


def _checked(
    rules: OwnAccountRules, provider: str, requested: NewCredentials
) -> Credentials | None:
    """The credentials; None for the account of the platform. Raises InvalidInput."""
    for reason, field_name in _problems(rules, provider, requested):
        raise InvalidInput(reason, field=field_name)
    if not requested.username:
        return None
    return Credentials(requested.username, requested.password)


def _problems(
    rules: OwnAccountRules, provider: str, requested: NewCredentials
) -> Iterator[tuple[str, str]]:
    if provider not in TERMS:
        yield f"Clients can have their own account at: {', '.join(TERMS)}.", "provider"
    if requested.price is not None and not 1 <= requested.price <= LARGEST_PRICE:
        yield f"pricePerMessage must be from 1 to {LARGEST_PRICE:,}.", "pricePerMessage"
    if not requested.username and not requested.password:
        if provider not in rules.platform_providers:
            yield NOT_CONFIGURED, "username"
        return
    for name in ("username", "password"):
        if not USABLE.fullmatch(getattr(requested, name)):
            yield (
                f"{name} must have 1 to 255 characters, no line breaks, and no blanks at its ends."
                " Leave both empty to use the account of the platform.",
                name,
            )


async def _account(
    store: ClientPoolStore,
    rules: OwnAccountRules,
    tx: Transaction,
    client: Client,
    provider: str,
    credentials: Credentials | None,
    price: int | None,
) -> AccountRef:
    """The provider account that the client's sends are charged to from now on.

    Locks the client's present node until the transaction ends, so that nothing is allocated to it
    or charged to it.
    """
    owner = None if credentials is None else client.id
    own = await store.lock_own_account(tx, client.id)
    account = own if owner else await store.find_platform_account(tx, provider)
    present = (await store.lock_accounts(tx, [client.account_id])).holdings[client.account_id]
    if account is not None and account.id == present.provider_account_id:
        return account
    await _check_unused(store, tx, client, present)
    if account is None:
        new = NewProviderAccount(
            new_id(), provider, owner, TERMS[provider], rules.price if price is None else price
        )
        account = await store.add_provider_account(tx, new)
    await store.put_client_under(tx, client.id, account.account_id, as_owner=owner is not None)
    return account


async def _check_unused(
    store: ClientPoolStore, tx: Transaction, client: Client, present: Holding
) -> None:
    """Raises InvalidInput if the client would leave units behind in its present pool.

    `present`: its account there, which is locked.
    """
    if present.held != 0:
        held = units_in_words(present.held, "unit")
        raise InvalidInput(
            f"The client holds {held} in another pool. Its balance there must be 0 first.",
            field="clientId",
        )
    count = await store.count_open_messages(tx, client.id)
    if count:
        messages = units_in_words(count, "message")
        are = "is" if count == 1 else "are"
        raise InvalidInput(
            f"{messages} of the client in another pool {are} not finished. Wait until they are"
            " sent, and settle those that are UNKNOWN.",
            field="clientId",
        )
