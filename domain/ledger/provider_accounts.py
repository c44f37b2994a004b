"""The platform's provider accounts: added, changed and paused while the program runs.

A provider account has the values that its provider asks for. They are checked by opening an adapter
with them, before anything is stored. Secrets are encrypted, and nothing returns them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Protocol
from uuid import UUID

from domain.errors import InvalidInput, NotFound
from domain.identity.directory import KEEP, Keep, kept, name_of
from domain.identity.ports import IdentityStore
from domain.ids import new_id
from domain.ledger.balances import ProviderAccountFigures, Valuation
from domain.ledger.credentials import (
    LARGEST_PRICE,
    TERMS,
    AccountStore,
    Cipher,
    NewProviderAccount,
    OwnAccountRules,
    SignIn,
    Terms,
)
from domain.provider import ProviderField
from domain.transactions import Transaction, changing

MOST_PER_SECOND: Final = 10_000
LONGEST_VALUE: Final = 2_000
USABLE: Final = re.compile(r"[^\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]*")
CREDITS: Final = Terms("credit", Valuation.AS_IS)

GivenValues = Mapping[str, str | None]
"""The values of a configuration as they came in, by name. None clears one."""


class Catalogue(Protocol):
    """The providers that this program supports."""

    def fields(self) -> Mapping[str, Sequence[ProviderField]]:
        """The values of an account at each provider."""

    async def check(self, provider: str, values: Mapping[str, str]) -> None:
        """Raises ValueError with a sentence if no account can be opened with these values."""


class PlatformAccounts(AccountStore, Protocol):
    """What this module needs. Lock in this order: identities, provider account."""

    async def lock_sign_in(self, tx: Transaction, provider_account_id: UUID) -> SignIn:
        """What the account is opened with, FOR UPDATE. Raises NotFound."""

    async def write_terms(
        self,
        tx: Transaction,
        provider_account_id: UUID,
        *,
        name: str | None,
        rate_per_second: int | None,
    ) -> None:
        """Stores the name and the rate limit."""

    async def make_default(self, tx: Transaction, provider_account_id: UUID) -> None:
        """Makes it the default account instead of the present one."""

    async def write_stopped(
        self, tx: Transaction, provider_account_id: UUID, *, stopped: bool
    ) -> bool:
        """Stores whether a person has paused the account, and since when. False if it is not there.

        Waits for open marks. After the commit no message of a paused account is marked.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class NewAccount:
    """A requested account of the platform. `unit`, `price`: None takes the provider's usual one."""

    provider: str
    configuration: GivenValues = field(repr=False)
    name: str | None = None
    unit: str | None = None
    price: int | None = None
    rate_per_second: int | None = None
    is_default: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountChange:
    """The requested changes of an account. None clears a field.

    `configuration`: a value that is absent stays as it is; None clears it.
    """

    name: str | Keep | None = KEEP
    configuration: GivenValues | Keep | None = field(default=KEEP, repr=False)
    rate_per_second: int | Keep | None = KEEP
    is_default: bool | Keep | None = KEEP


async def create_provider_account(
    store: PlatformAccounts, catalogue: Catalogue, rules: OwnAccountRules, new: NewAccount
) -> ProviderAccountFigures:
    """Adds an account of the platform. Its pool holds nothing. Raises InvalidInput."""
    provider = new.provider.strip().lower()
    if provider not in catalogue.fields():
        known = ", ".join(sorted(catalogue.fields()))
        raise InvalidInput(f"The supported providers are: {known}.", field="provider")
    values = _merged(catalogue.fields()[provider], {}, new.configuration)
    await _check(catalogue, provider, values)
    account_id = new_id()
    configuration, encrypted = _split(catalogue, rules.cipher, provider, account_id, values)
    adding = NewProviderAccount(
        account_id,
        provider,
        None,
        _terms(provider, new.unit),
        _price(provider, rules, new.price),
        name=None if new.name is None else name_of(new.name),
        configuration=configuration,
        encrypted=encrypted,
        rate_per_second=_rate(new.rate_per_second),
    )
    async with changing(store) as tx:
        await store.lock_identities(tx)
        await store.add_provider_account(tx, adding)
        if new.is_default:
            await store.make_default(tx, account_id)
        return await store.read_provider_account(tx, account_id)


async def update_provider_account(
    store: PlatformAccounts,
    catalogue: Catalogue,
    rules: OwnAccountRules,
    provider_account_id: UUID,
    change: AccountChange,
) -> ProviderAccountFigures:
    """Changes an account of the platform. Every dispatcher uses the new values within seconds.

    Raises InvalidInput or NotFound.
    """
    async with changing(store, repeatable=True) as tx:
        await store.lock_identities(tx)
        present = await store.lock_sign_in(tx, provider_account_id)
        if present.owner_client_id is not None:
            raise InvalidInput(
                "A client owns this account: use setProviderCredentials.", field="id"
            )
        before = await store.read_provider_account(tx, provider_account_id)
        if not isinstance(change.configuration, Keep):
            await _configure(
                store, catalogue, rules, tx, provider_account_id, present, change.configuration
            )
        name = kept(change.name, before.name)
        await store.write_terms(
            tx,
            provider_account_id,
            name=None if name is None else name_of(name),
            rate_per_second=_rate(kept(change.rate_per_second, before.messages_per_second)),
        )
        await _change_default(store, tx, before, change.is_default)
        return await store.read_provider_account(tx, provider_account_id)


async def pause_provider_account(
    store: PlatformAccounts, provider_account_id: UUID, *, paused: bool
) -> ProviderAccountFigures:
    """Pauses an account or resumes it. Its messages wait meanwhile. Raises NotFound.

    Calls that are open end as usual.
    """
    async with changing(store, repeatable=True) as tx:
        if not await store.write_stopped(tx, provider_account_id, stopped=paused):
            raise NotFound("provider account")
        return await store.read_provider_account(tx, provider_account_id)


async def _configure(
    store: PlatformAccounts,
    catalogue: Catalogue,
    rules: OwnAccountRules,
    tx: Transaction,
    provider_account_id: UUID,
    present: SignIn,
    given: GivenValues | None,
) -> None:
    fields = catalogue.fields().get(present.provider, ())
    if given is None:
        raise InvalidInput(
            "configuration cannot be cleared. Leave it out to keep it.", field="configuration"
        )
    values = dict(present.configuration or {})
    if present.encrypted is not None:
        values |= rules.cipher.decrypt(provider_account_id, present.encrypted)
    values = _merged(fields, values, given)
    await _check(catalogue, present.provider, values)
    configuration, encrypted = _split(
        catalogue, rules.cipher, present.provider, provider_account_id, values
    )
    sign_in = replace(present, configuration=configuration, encrypted=encrypted)
    await store.write_sign_in(tx, provider_account_id, sign_in)


async def _change_default(
    store: PlatformAccounts,
    tx: Transaction,
    before: ProviderAccountFigures,
    is_default: bool | Keep | None,
) -> None:
    if isinstance(is_default, Keep) or is_default is before.is_default:
        return
    if not is_default:
        raise InvalidInput(
            "One account is always the default. Make another one the default instead.",
            field="isDefault",
        )
    await store.make_default(tx, before.id)


def _merged(
    fields: Sequence[ProviderField], present: Mapping[str, str], given: GivenValues
) -> dict[str, str]:
    """The values after the change. Raises InvalidInput for a name or a value that is not usable."""
    values = dict(present)
    names = [field.name for field in fields]
    for name, value in given.items():
        if name not in names:
            expected = ", ".join(names) or "nothing"
            raise InvalidInput(
                f"configuration has an unknown name. Expected: {expected}.", field="configuration"
            )
        if value is None or value == "":
            values.pop(name, None)
            continue
        if len(value) > LONGEST_VALUE or value != value.strip() or not USABLE.fullmatch(value):
            raise InvalidInput(
                f"{name} must be text of at most {LONGEST_VALUE:,} characters, without line breaks"
                " and without blanks at its ends.",
                field="configuration",
            )
        values[name] = value
    return values


async def _check(catalogue: Catalogue, provider: str, values: Mapping[str, str]) -> None:
    try:
        await catalogue.check(provider, values)
    except ValueError as unusable:
        raise InvalidInput(str(unusable), field="configuration") from unusable


def _split(
    catalogue: Catalogue,
    cipher: Cipher,
    provider: str,
    provider_account_id: UUID,
    values: Mapping[str, str],
) -> tuple[dict[str, str], bytes | None]:
    """The values that can be shown, and the others encrypted."""
    secret = {field.name for field in catalogue.fields()[provider] if field.secret}
    secrets = {name: value for name, value in values.items() if name in secret}
    shown = {name: value for name, value in values.items() if name not in secret}
    return shown, cipher.encrypt(provider_account_id, secrets) if secrets else None


def _terms(provider: str, unit: str | None) -> Terms:
    usual = TERMS.get(provider, CREDITS)
    if unit is None:
        return usual
    if not re.fullmatch("[A-Za-z]{1,12}", unit):
        raise InvalidInput("unit is a word of 1 to 12 letters, such as credit.", field="unit")
    return Terms(unit, usual.valuation)


def _price(provider: str, rules: OwnAccountRules, price: int | None) -> int:
    if price is None:
        return rules.price if provider in TERMS else 1
    if not 1 <= price <= LARGEST_PRICE:
        raise InvalidInput(
            f"pricePerMessage must be from 1 to {LARGEST_PRICE:,}.", field="pricePerMessage"
        )
    return price


def _rate(rate: int | None) -> int | None:
    if rate is not None and not 1 <= rate <= MOST_PER_SECOND:
        raise InvalidInput(
            f"messagesPerSecond must be from 1 to {MOST_PER_SECOND:,}.", field="messagesPerSecond"
        )
    return rate


async def ensure_default_pool(store: IdentityStore) -> UUID:
    """The default provider account, created with its pool node if there is none yet.

    Safe for many processes at once. Does not change an existing one.
    """
    async with changing(store) as tx:
        return await store.add_default_pool(tx, provider="extreme", unit=CREDITS.unit, price=1)
