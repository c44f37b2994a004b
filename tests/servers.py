"""HTTP servers of tests: a small one, and that of the program for an application."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from aiohttp import web
from starlette.types import ASGIApp

from ibiki.http.server import serving_at
from ibiki.local.listening import listening


@asynccontextmanager
async def serving(
    answer: Callable[[web.Request], Awaitable[web.StreamResponse]],
) -> AsyncIterator[str]:
    """The address of a server on this machine that answers every request in this way."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def serving_app(app: ASGIApp) -> AsyncIterator[str]:
    """The address of the program's server on this machine, with this application."""
    with listening("127.0.0.1", 0) as listener:
        async with serving_at(listener, app):
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
