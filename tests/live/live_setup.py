"""A live server without a database: one balance to watch, and users who may."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from domain.identity.access import Actor, Role
from domain.identity.directory import User
from domain.ids import new_id
from domain.installation import RequestLimits
from domain.ledger.balances import AccountBalance, Balances, BalanceView
from domain.live import hints
from tests.live.readers import NOON, FakeStore
from tests.live.server import FakeAuthenticator, Server, server
from tests.schema.fakes import FakeDirectory, actor_with, installation_with

ACCOUNT_ID = UUID(int=7)
TOPIC = hints.ACCOUNT + ACCOUNT_ID.bytes
BALANCE = "subscription { balanceUpdated { version account { balance } } }"


@dataclass
class Figures(FakeStore):
    """A balance that a test sets. `unit`: its length sets the size of an event."""

    balance: int = 1
    unit: str = "credit"
    reads: int = 0

    async def read_balances(self, view: BalanceView) -> Balances:
        """The balance, the same for all users."""
        self.reads += 1
        self._fail()
        account = AccountBalance(ACCOUNT_ID, self.unit, self.balance, None, 1)
        return Balances(account, None, None, self.balance)


@dataclass
class Setup:
    """The server, and the parts that a test may change."""

    server: Server
    store: Figures
    authenticator: FakeAuthenticator

    def change(self, balance: int) -> None:
        """Changes the balance, and publishes a hint."""
        self.store.balance = balance
        self.server.live.hub.hinted({TOPIC})


def somebody(role: Role = Role.CLIENT) -> Actor:
    """A user of a new client."""
    return actor_with(role, client_id=new_id(), client_status="ACTIVE")


@asynccontextmanager
async def live_setup(*, balance: int = 1, **options: Any) -> AsyncIterator[Setup]:
    """Runs such a server. `good`, `other` and `admin` may sign in."""
    store = Figures(balance=balance)
    actors = {"good": somebody(), "other": somebody(), "admin": actor_with(Role.ADMIN)}
    authenticator = FakeAuthenticator(actors)
    users = {
        actor.user_id: User(actor.user_id, "ada@ibiki.test", Role.ADMIN, None, None, False, NOON)
        for actor in actors.values()
    }
    installation = installation_with(
        store=store, directory=FakeDirectory(users=users), limits=RequestLimits()
    )
    async with server(installation, authenticator, **options) as made:
        yield Setup(made, store, authenticator)
