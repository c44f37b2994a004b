"""Searches take turns and do not block other requests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from domain.errors import RateLimited
from domain.identity.access import Everything, OfClient, Scope
from domain.ids import new_id
from domain.ledger.balances import BalanceView
from domain.ledger.book import TransferKind
from domain.ledger.statement import StatementFilter
from domain.pages import Window
from domain.sending.lists import MessageFilter
from domain.sending.messages import MessageStatus
from persistence import planned, store
from persistence.database import connection
from tests import db
from tests.clocks import PATIENCE_SECONDS
from tests.locks import locked

POOL_SIZE = 10


@pytest.fixture
async def client(database_url: str) -> AsyncIterator[db.Tenant]:
    async with db.connected(database_url, pool_size=POOL_SIZE):
        yield await db.add_client()


Read = Callable[[OfClient], Awaitable[object]]
READS: dict[str, Read] = {
    "messages": lambda own: store.read_messages(own, Window(20), search="zzz"),
    "messages of a status": lambda own: store.read_messages(
        own, Window(20), filter=MessageFilter(MessageStatus.REJECTED)
    ),
    "both directions": lambda own: store.read_any_messages(own, Window(20), search="zzz"),
    "contacts": lambda own: store.read_contacts(own, Window(20), search="zzz"),
    "conversations": lambda own: store.read_conversations(own, Window(20), search="zzz"),
    "a kind of transfers": lambda own: store.read_statement(
        BalanceView(client_id=own.client_id),
        Window(20),
        filter=StatementFilter(TransferKind.ALLOCATION),
    ),
}


@pytest.mark.parametrize("name", READS)
async def test_the_searches_of_one_tenant_do_not_block_others(
    client: db.Tenant, database_url: str, name: str
) -> None:
    async with locked(database_url, "LOCK TABLE message, contact, conversation, transfer"):
        searches = [
            asyncio.create_task(_searched(READS[name], OfClient(client.client_id)))
            for _ in range(2 * POOL_SIZE)
        ]
        async with asyncio.timeout(PATIENCE_SECONDS):
            for _ in range(3):
                async with connection() as pooled:
                    await pooled.fetchval("SELECT pg_sleep(0.05)")
    assert all(await asyncio.gather(*searches))


async def _searched(read: Read, own: OfClient) -> bool:
    await read(own)
    return True


async def test_a_process_runs_few_searches_at_once() -> None:
    at_once = most = 0

    async def search(whose: Scope) -> None:
        nonlocal at_once, most
        async with planned.in_turn(whose, searches=True):
            at_once += 1
            most = max(most, at_once)
            await asyncio.sleep(0.01)
            at_once -= 1

    everybody: list[Scope] = [Everything(), *(OfClient(new_id()) for _ in range(10))]
    await asyncio.gather(*map(search, everybody))
    assert most == planned.AT_ONCE
    most = 0
    await asyncio.gather(*[search(Everything()) for _ in range(5)])
    assert most == 1
    assert not planned._own  # a tenant that does not search uses no memory


async def test_a_search_that_waits_too_long_is_rate_limited(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(planned, "WAIT_SECONDS", 0.05)
    async with planned.in_turn("mine", searches=True):
        with pytest.raises(RateLimited):
            async with planned.in_turn("mine", searches=True):
                pass
        async with planned.in_turn("mine", searches=False), planned.in_turn("yours", searches=True):
            pass
    async with planned.in_turn("mine", searches=True):
        pass
