"""The demo data of `ibiki up` and `ibiki demo`. Each record is written if it is missing.

If a run is interrupted, the next run continues.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from domain.errors import InvalidInput, ProviderUnavailable
from domain.identity.access import Actor, Everything, Role
from domain.identity.clients import NewClient, create_client, create_group
from domain.identity.directory import Client, ClientFilter, Group, User
from domain.identity.directory import password_of as checked_password
from domain.identity.ports import Passwords
from domain.identity.users import NewUser, UserChange, create_user, update_user
from domain.installation import Installation
from domain.ledger import allocate as allocating
from domain.ledger import credentials as own_accounts
from domain.ledger import sync as syncing
from domain.ledger.book import Purpose, TransferKind
from domain.pages import Window
from ibiki.local.command_context import CommandContext
from ibiki.settings import generated_secrets
from persistence import store
from providers.simulator.egosms import DEMO_PASSWORD, DEMO_USERNAME

GROUP = "MG888"
GROUP_RATE_USD = Decimal("0.03")


@dataclass(frozen=True, slots=True)
class DemoUser:
    """A user of the demo, and the units of its client."""

    email: str
    role: Role
    client: str | None = None
    in_group: bool = False
    units: int = 0


USERS = (
    DemoUser("admin@ibiki.test", Role.ADMIN),
    DemoUser("supervisor@ibiki.test", Role.SUPERVISOR, in_group=True),
    DemoUser("client@ibiki.test", Role.CLIENT, "Client", in_group=True, units=1_000),
    DemoUser("other@ibiki.test", Role.CLIENT, "Other", units=100),
    DemoUser("school@ibiki.test", Role.CLIENT, "School"),
)


async def write_demo(context: CommandContext, installation: Installation) -> str:
    """Creates the demo's group, clients and users, and allocates the clients' units.

    Returns the users' password. The pool is synced with the provider first. If the provider cannot
    be read, the units are posted as OPENING transfers, so that the demo works without it. Records
    that exist are left as they are: the operator may have changed them. The users get the password
    only if DEMO_PASSWORD is set, or if the file of the password was missing.
    """
    is_new = not generated_secrets.has_demo_password(context.directory)
    password = password_of(context)
    users = [await _user(installation, password, each) for each in USERS]
    admin = Actor(users[0].id, Role.ADMIN, credential_id=users[0].id)
    pool_is_synced = await _synced(installation, admin)
    for each, user in zip(USERS, users, strict=True):
        if each.units and user.client_id:
            await _give(installation, admin, user.client_id, each.units, from_pool=pool_is_synced)
    if context.settings.upstream.egosms_is_simulated:
        await _open_school(installation, users[-1])
    is_given = context.settings.secrets.demo_password is not None
    if is_given or is_new:
        await _set_password(installation.passwords, password)
    if is_given:
        # Without write access, DEMO_PASSWORD is set: the file is not needed.
        with suppress(OSError):
            generated_secrets.keep_demo_password(context.directory, password)
    return password


def password_of(context: CommandContext) -> str:
    """The password of the demo's users: DEMO_PASSWORD, else the one in the directory.

    Raises InvalidInput.
    """
    given = context.settings.secrets.demo_password
    name = f"{context.directory}/demo-password" if given is None else "DEMO_PASSWORD"
    try:
        return checked_password(given or generated_secrets.demo_password(context.directory))
    except InvalidInput as invalid:
        raise InvalidInput(f"{name} is invalid. {invalid}") from invalid


async def _set_password(passwords: Passwords, password: str) -> None:
    """Sets this password for all users of the demo, if the first one has another."""
    first = await store.find_login(USERS[0].email)
    if first is None or await passwords.verify(password, first.password_hash):
        return
    # The first user is changed last, so that an interrupted run is repeated.
    for each in reversed(USERS):
        login = await store.find_login(each.email)
        if login is not None:
            await update_user(store, passwords, login.user_id, UserChange(password=password))


async def _group() -> Group:
    for group in await store.list_groups():
        if group.name == GROUP:
            return group
    return await create_group(store, name=GROUP, rate_per_unit_usd=GROUP_RATE_USD)


async def _user(installation: Installation, password: str, each: DemoUser) -> User:
    found = await store.find_user_by_email(each.email)
    if found is not None:
        return found  # unchanged, even if it is disabled
    group = await _group() if each.in_group else None
    client = await _client(installation, each, group) if each.client else None
    new = NewUser(
        email=each.email,
        password=password,
        role=each.role,
        client_id=client.id if client else None,
        group_id=group.id if group and each.role is Role.SUPERVISOR else None,
    )
    return await create_user(store, installation.passwords, new)


async def _client(installation: Installation, each: DemoUser, group: Group | None) -> Client:
    assert each.client is not None
    named = ClientFilter(search=each.client)
    found = await store.list_clients(Everything(), Window(size=100), filter=named)
    for client in found.items:
        if client.name == each.client:
            return client
    new = NewClient(name=each.client, group_id=group.id if group else None)
    return await create_client(store, installation.normaliser, new)


async def _synced(installation: Installation, admin: Actor) -> bool:
    """Whether the pool is synced with the provider. Syncs it if it never was."""
    account = await store.find_provider_account(None)
    if account.read_at is not None:
        return True
    try:
        provider = await installation.providers.of(account.id)
        await syncing.sync(
            store,
            provider,
            account,
            actor_id=admin.user_id,
            rules=installation.sync_rules,
        )
    except ProviderUnavailable:
        return False
    return True


async def _open_school(installation: Installation, user: User) -> None:
    """Gives the school its own account at the simulated provider, and reads its balance.

    Not if it has one, or holds units: then the operator has used it for something else.
    """
    if user.client_id is None or await store.find_own_account(user.client_id) is not None:
        return
    requested = own_accounts.NewCredentials(
        client_id=user.client_id,
        provider="egosms",
        username=DEMO_USERNAME,
        password=DEMO_PASSWORD,
    )
    with suppress(InvalidInput, ProviderUnavailable):
        opened = await own_accounts.set_credentials(store, installation.own_accounts, requested)
        account = await store.find_provider_account(opened.id)
        provider = await installation.providers.of(account.id)
        rules = installation.sync_rules
        await syncing.sync(store, provider, account, actor_id=user.id, rules=rules)


async def _give(
    installation: Installation, admin: Actor, client_id: UUID, units: int, *, from_pool: bool
) -> None:
    """Gives the client these units, unless its account was ever used."""
    target = await store.find_allocation_target(Everything(), client_id=client_id, group_id=None)
    async with store.transaction() as tx:
        book = await store.lock_accounts(tx, [target.account_id])
        holding = book.holdings[target.account_id]
        if holding.version > 0:
            return
        if not from_pool:
            purpose = Purpose(actor_id=admin.user_id, note="Demo")
            book.post(TransferKind.OPENING, units, destination=holding, purpose=purpose)
            await store.write_book(tx, book)
            return
    requested = allocating.AllocationRequest(
        client_id, None, units, note="Demo", key=f"demo {client_id}"
    )
    await allocating.allocate(store, admin, requested)
