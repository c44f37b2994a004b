"""Clients, each with one user and, if the line names one, a group."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID

from domain.errors import InvalidInput
from domain.identity.access import Everything, Role
from domain.identity.clients import NewClient, client_of, group_of
from domain.identity.directory import (
    Client,
    ClientStatus,
    Group,
    User,
    email_of,
    name_of,
    password_of,
)
from domain.identity.ports import Passwords
from domain.identity.users import user_of
from domain.imports.ports import ClientStore
from domain.imports.table import Columns, Table
from domain.ledger.imported import amount_of
from domain.numbers import Normaliser
from domain.sending.files.csv_rows import Row
from domain.transactions import Transaction, changing

COLUMNS = ("name", "email")
OPTIONAL = ("business", "group", "rate_usd", "status", "password")
MOST_AT_ONCE = 200
"""Clients of one transaction. It is small, because other changes of users wait for it."""


@dataclass(frozen=True, slots=True)
class ClientLine:
    """A client as its line gives it. `group`: its name. `is_new`: no user has the email."""

    client: Client
    email: str
    group: str | None
    password: str | None = field(repr=False)
    is_new: bool = True


class ClientImport:
    """Imports clients. See `domain.imports.importing.Importer`.

    A user without a password in the file cannot sign in until an admin sets one.
    """

    def __init__(
        self, store: ClientStore, passwords: Passwords, normaliser: Normaliser, table: Table
    ) -> None:
        self._store = store
        self._passwords = passwords
        self._normaliser = normaliser
        self._columns = Columns(table.layout, required=COLUMNS, optional=OPTIONAL)
        self._unusable: str | None = None

    def read(self, row: Row) -> ClientLine:
        texts = self._columns.texts_of(row)
        rate = amount_of(texts["rate_usd"], field="rate_usd") if texts["rate_usd"] else None
        new = NewClient(
            name=texts["name"],
            business=texts["business"],
            status=_status_of(texts["status"]),
            rate_per_unit_usd=rate,
        )
        return ClientLine(
            client=client_of(new, self._normaliser),
            email=email_of(texts["email"]),
            group=name_of(texts["group"], field="group") if texts["group"] else None,
            password=password_of(texts["password"]) if texts["password"] else None,
        )

    async def resolve(self, lines: Sequence[ClientLine]) -> Sequence[ClientLine | str]:
        users = await self._store.find_users_by_email(Everything(), [each.email for each in lines])
        ids = [user.client_id for user in users.values() if user.client_id]
        clients = await self._store.find_clients(Everything(), ids)
        groups = _by_name(await self._store.list_groups())
        return [_doubtful_group(each, groups) or _known(each, users, clients) for each in lines]

    def key(self, line: ClientLine) -> str:
        return line.email.lower()

    async def write(self, lines: Sequence[ClientLine]) -> int:
        added = 0
        for start in range(0, len(lines), MOST_AT_ONCE):
            some = [each for each in lines[start : start + MOST_AT_ONCE] if each.is_new]
            # Hashing is slow, so it is done before the transaction.
            hashes = {each.email: await self._hash_of(each) for each in some}
            if some:
                async with changing(self._store, repeatable=True) as tx:
                    added += await self._add(tx, some, hashes)
        return added

    async def _hash_of(self, line: ClientLine) -> str:
        if line.password is not None:
            return await self._passwords.hash(line.password)
        if self._unusable is None:
            # The hash of a password that nobody knows. With a text that is not a hash, a sign-in
            # would fail faster, and show that the user has no password.
            self._unusable = await self._passwords.hash(secrets.token_urlsafe())
        return self._unusable

    async def _add(
        self, tx: Transaction, lines: Sequence[ClientLine], hashes: Mapping[str, str]
    ) -> int:
        await self._store.lock_identities(tx)
        emails = [each.email for each in lines]
        present = await self._store.find_users_by_email(Everything(), emails, tx=tx)
        groups = _by_name(await self._store.list_groups())
        new = [each for each in lines if each.email not in present]
        for each in new:
            group_id = await self._group_id(tx, each.group, groups) if each.group else None
            client = replace(each.client, group_id=group_id)
            parent = await self._store.find_parent_node(tx, group_id)
            await self._store.add_client(tx, client, parent)
            user = user_of(each.email, Role.CLIENT, client_id=client.id)
            await self._store.add_user(tx, user, password_hash=hashes[each.email])
        return len(new)

    async def _group_id(self, tx: Transaction, name: str, groups: dict[str, list[Group]]) -> UUID:
        """The group of this name, which is added if there is none."""
        if not groups.get(name.casefold()):
            group = group_of(name)
            await self._store.add_group(tx, group, await self._store.find_parent_node(tx, None))
            groups[name.casefold()] = [group]
        return groups[name.casefold()][0].id


def _status_of(text: str) -> ClientStatus:
    try:
        return ClientStatus(text.upper() or "ACTIVE")
    except ValueError:
        raise InvalidInput(
            "status must be ACTIVE, DORMANT or SUSPENDED. Empty is ACTIVE.", field="status"
        ) from None


def _by_name(groups: Sequence[Group]) -> dict[str, list[Group]]:
    found: dict[str, list[Group]] = {}
    for group in groups:
        found.setdefault(group.name.casefold(), []).append(group)
    return found


def _doubtful_group(line: ClientLine, groups: Mapping[str, Sequence[Group]]) -> str | None:
    if line.group is None or len(groups.get(line.group.casefold(), ())) < 2:
        return None
    return f"Several groups are called {line.group}. Rename all but one of them."


def _known(
    line: ClientLine, users: Mapping[str, User], clients: Mapping[UUID, Client]
) -> ClientLine | str:
    """The line, marked if its client was imported before."""
    user = users.get(line.email)
    if user is None:
        return line
    client = clients.get(user.client_id) if user.client_id else None
    if client is None or client.name != line.client.name:
        whose = f"the client {client.name}" if client else f"a user with the role {user.role.value}"
        return f"The email {line.email} belongs to {whose}. Use another email, or remove the line."
    return replace(line, is_new=False)
