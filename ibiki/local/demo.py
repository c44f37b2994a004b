"""The demo data of `ibiki up` and `ibiki demo`: written once, piece by piece, where it is missing.

Killed half-way, a second run goes on where the first one ended.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from domain.errors import InvalidInput, ProviderUnavailable
from domain.identity.access import Actor, Everything, Role
from domain.identity.clients import NewClient, create_client, create_group
from domain.identity.ports import Passwords
from domain.identity.records import Client, Group, User
from domain.identity.records import password_of as checked_password
from domain.identity.users import NewUser, UserChange, create_user, update_user
from domain.installation import Installation
from domain.ledger import allocate as allocating
from domain.ledger import sync as syncing
from domain.ledger.book import Purpose, TransferKind
from domain.pages import Window
from ibiki.local import keys
from ibiki.local.command_context import CommandContext
from persistence import store

GROUP = "MG888"
GROUP_RATE_USD = Decimal("0.03")


@dataclass(frozen=True, slots=True)
class DemoUser:
    """A sign-in of the demo, and what its client gets."""

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


async def write_demo(
    context: CommandContext, installation: Installation, passwords: Passwords
) -> str:
    """The demo's group, clients and users are there, and the clients hold what is theirs.

    Returns the users' password. The pool is synced with the provider first; where that cannot be
    read, the clients' units come from outside instead (OPENING), so that the demo can be tried all
    the same. What the operator has changed since the first time stays changed.
    """
    password = password_of(context)
    users = [await _user(installation, passwords, password, each) for each in USERS]
    admin = Actor(users[0].id, Role.ADMIN, credential_id=users[0].id)
    readable = await _synced(installation, admin)
    for each, user in zip(USERS, users, strict=True):
        if each.units and user.client_id:
            await _give(installation, admin, user.client_id, each.units, from_pool=readable)
    if context.settings.secrets.demo_password is not None:
        await _keep_password(passwords, password)
        with suppress(OSError):  # a directory is only needed where something is not set
            keys.keep_demo_password(context.directory, password)
    return password


def password_of(context: CommandContext) -> str:
    """What the demo's users sign in with: DEMO_PASSWORD, else what the directory keeps.

    Raises InvalidInput.
    """
    given = context.settings.secrets.demo_password
    if given is None:
        return keys.demo_password(context.directory)
    try:
        return checked_password(given)
    except InvalidInput as wrong:
        raise InvalidInput(f"DEMO_PASSWORD cannot be used. {wrong}") from wrong


async def _keep_password(passwords: Passwords, password: str) -> None:
    """All users of the demo have that password, also those who were made with another one."""
    first = await store.find_login(USERS[0].email)
    if first is None or await passwords.verify(password, first.password_hash):
        return
    # The first one comes last: killed half-way, a second run begins again.
    for each in reversed(USERS):
        login = await store.find_login(each.email)
        if login is not None:
            await update_user(store, passwords, login.user_id, UserChange(password=password))


async def _group() -> Group:
    for group in await store.list_groups():
        if group.name == GROUP:
            return group
    return await create_group(store, name=GROUP, rate_per_unit_usd=GROUP_RATE_USD)


async def _user(
    installation: Installation, passwords: Passwords, password: str, each: DemoUser
) -> User:
    found = await store.find_user_by_email(each.email)
    if found is not None:
        return found  # as the operator has left it, and be it disabled
    group = await _group() if each.in_group else None
    client = await _client(installation, each, group) if each.client else None
    new = NewUser(
        email=each.email,
        password=password,
        role=each.role,
        client_id=client.id if client else None,
        group_id=group.id if group and each.role is Role.SUPERVISOR else None,
    )
    return await create_user(store, passwords, new)


async def _client(installation: Installation, each: DemoUser, group: Group | None) -> Client:
    assert each.client is not None
    found = await store.list_clients(Everything(), Window(size=100), search=each.client)
    for client in found.items:
        if client.name == each.client:
            return client
    new = NewClient(name=each.client, group_id=group.id if group else None)
    return await create_client(store, installation.normaliser, new)


async def _synced(installation: Installation, admin: Actor) -> bool:
    """Whether the pool says what the provider holds: read now, unless it was read before."""
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


async def _give(
    installation: Installation, admin: Actor, client_id: UUID, units: int, *, from_pool: bool
) -> None:
    """The client holds these units, unless anything was ever moved on its account."""
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
    asked = allocating.Allocation(client_id, None, units, note="Demo", key=f"demo {client_id}")
    await allocating.allocate(store, admin, asked)
