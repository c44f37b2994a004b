"""Limits on searches: a few at a time in a process, and one at a time for a tenant.

A page reads as many rows as it shows. But if a search finds little, it reads all rows of a tenant.
Without a limit, the searches of one tenant could hold every connection of the process, and the
sends of others would wait: docs/decisions/0076.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Hashable
from contextlib import AsyncExitStack, asynccontextmanager
from weakref import WeakValueDictionary

from domain.errors import RateLimited

AT_ONCE = 4
"""Searches of one process at a time: a fifth of its connections with the default pool size."""

WAIT_SECONDS = 5.0
"""How long a search may wait for its turn. Most searches are shorter."""

_few = asyncio.Semaphore(AT_ONCE)
_own: WeakValueDictionary[Hashable, asyncio.Lock] = WeakValueDictionary()


@asynccontextmanager
async def in_turn(whose: Hashable, *, searches: bool) -> AsyncIterator[None]:
    """Waits for a turn if the read `searches`; other reads never wait.

    `whose`: the tenant, which has one turn at a time. Raises RateLimited if the wait is too long.
    """
    async with AsyncExitStack() as turn:
        if searches:
            own = _own.setdefault(whose, asyncio.Lock())
            try:
                async with asyncio.timeout(WAIT_SECONDS):
                    await turn.enter_async_context(own)
                    await turn.enter_async_context(_few)
            except TimeoutError:
                raise RateLimited(1) from None
        yield
