"""Turns for reads that may have to look through much: few at once, and of one tenant one.

A page costs what it holds; but what is searched for may stand nowhere, and then all that a tenant
has is looked through. Forty searches of one tenant would hold every connection of the process for
as long as they take, and nobody else's send would get one: docs/decisions/0076.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Hashable
from contextlib import AsyncExitStack, asynccontextmanager
from weakref import WeakValueDictionary

from domain.errors import RateLimited

AT_ONCE = 4
"""Such reads of one process: a fifth of its connections, unless the setting says otherwise."""

WAIT_SECONDS = 5.0
"""How long one may wait for its turn; longer than most of them take."""

_few = asyncio.Semaphore(AT_ONCE)
_own: WeakValueDictionary[Hashable, asyncio.Lock] = WeakValueDictionary()


@asynccontextmanager
async def in_turn(whose: Hashable, *, searches: bool) -> AsyncIterator[None]:
    """Within it one may look through much, if one `searches`; who does not never waits.

    `whose`: one at a time has its turn. Raises RateLimited where it does not come in good time.
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
