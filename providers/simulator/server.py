"""The simulated provider as an HTTP server of its own: it speaks the formats of ExtremeSMS.

It keeps a balance (one credit a message), does to a call what magic numbers or the control endpoint
ask for, calls a webhook with what phones answer, and keeps a log of what it took, so that its word
can be held against ours.
"""

from __future__ import annotations

import asyncio
import math
import socket
import struct
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from pathlib import Path
from typing import Final

from aiohttp import web

from providers.simulator.behaviours import Behaviour
from providers.simulator.book import Book
from providers.simulator.caller import Caller, Webhook
from providers.simulator.control import CALLER, DESK, control_routes
from providers.simulator.desk import Desk, Verdict

DEFAULT_API_KEY: Final = "simulated"
DEFAULT_BALANCE: Final = 100_000
LARGEST_REQUEST_BYTES: Final = 16 * 1024 * 1024
# What is open at the end is a hanging call: nobody waits for it.
SHUTDOWN_SECONDS: Final = 0.2
RESET_AT_ONCE: Final = struct.pack("ii", 1, 0)


async def serve(
    host: str = "127.0.0.1",
    port: int = 0,
    state_dir: Path | None = None,
    *,
    api_key: str = DEFAULT_API_KEY,
    balance: int = DEFAULT_BALANCE,
    announce: Callable[[str], None] = lambda base_url: None,
    webhook: Webhook | None = None,
) -> None:
    """Serves until cancelled; `announce` is told the base URL once calls can come."""
    async with running(
        host, port, state_dir, api_key=api_key, balance=balance, webhook=webhook
    ) as base_url:
        announce(base_url)
        await asyncio.Event().wait()


@asynccontextmanager
async def running(
    host: str = "127.0.0.1",
    port: int = 0,
    state_dir: Path | None = None,
    *,
    api_key: str = DEFAULT_API_KEY,
    balance: int = DEFAULT_BALANCE,
    webhook: Webhook | None = None,
    listener: socket.socket | None = None,
) -> AsyncIterator[str]:
    """A simulator that serves meanwhile, as its base URL; port 0 takes any that is free.

    `webhook`: whom it calls with what phones answer. Without `state_dir` nothing is kept. `balance`
    counts for a new directory only. `listener`: a port that is had already, instead of host and
    port. Raises BookInUse where another simulator runs in that directory, OSError where the port is
    taken.
    """
    with _directory(state_dir) as directory:
        app = create_app(Path(directory), api_key=api_key, balance=balance, webhook=webhook)
        # A call that hangs ends when its caller hangs up.
        runner = web.AppRunner(
            app, access_log=None, handler_cancellation=True, shutdown_timeout=SHUTDOWN_SECONDS
        )
        await runner.setup()
        try:
            if listener is None:
                await web.TCPSite(runner, host, port).start()
            else:
                await web.SockSite(runner, listener).start()
                host = listener.getsockname()[0]
            bound = runner.addresses[0][1]
            yield f"http://{f'[{host}]' if ':' in host else host}:{bound}"
        finally:
            await runner.cleanup()


def create_app(
    state_dir: Path,
    *,
    api_key: str = DEFAULT_API_KEY,
    balance: int = DEFAULT_BALANCE,
    webhook: Webhook | None = None,
) -> web.Application:
    """The application with its book open in `state_dir`; both are closed together."""
    app = web.Application(client_max_size=LARGEST_REQUEST_BYTES)
    app[DESK] = Desk(Book(state_dir, opening_balance=balance), api_key=api_key)
    app[CALLER] = Caller(webhook or Webhook())
    app.add_routes(control_routes())
    app.router.add_route("*", "/{anything:.*}", _answer_call)
    app.on_cleanup.append(_close_caller)
    app.on_cleanup.append(_close_book)
    return app


def _directory(state_dir: Path | None) -> AbstractContextManager[str | Path]:
    if state_dir is None:
        return tempfile.TemporaryDirectory(prefix="ibiki-simulator-")
    return nullcontext(state_dir)


async def _close_caller(app: web.Application) -> None:
    await app[CALLER].close()


async def _answer_call(request: web.Request) -> web.StreamResponse:
    desk = request.app[DESK]
    desk.open_calls += 1
    try:
        return await _answer(request, desk)
    finally:
        desk.open_calls -= 1


async def _answer(request: web.Request, desk: Desk) -> web.StreamResponse:
    body = await request.read()
    authorization = request.headers.get("Authorization", "")
    verdict = desk.decide((request.method, request.path), authorization, body)
    behaviour = verdict.behaviour
    await request.app[CALLER].tell(verdict.told)
    if behaviour.seconds and not behaviour.asks_to_wait:
        await _wait(desk, behaviour.seconds)
    if verdict.status is None:
        return _break_off(request)
    if behaviour.line == "cuts":
        return await _answer_half(request, verdict)
    return web.Response(
        status=verdict.status,
        body=verdict.body,
        headers=_headers(behaviour, verdict),
    )


def _headers(behaviour: Behaviour, verdict: Verdict) -> dict[str, str]:
    is_html = verdict.body.startswith(b"<")
    headers = {"Content-Type": "text/html" if is_html else "application/json"}
    if behaviour.asks_to_wait:
        headers["Retry-After"] = str(math.ceil(behaviour.seconds))
    return headers


async def _wait(desk: Desk, seconds: float) -> None:
    """Waits that long, or until the faults are lifted."""
    try:
        await asyncio.wait_for(desk.faults.lifted.wait(), seconds)
    except TimeoutError:
        return


async def _answer_half(request: web.Request, verdict: Verdict) -> web.StreamResponse:
    answer = web.StreamResponse(headers={"Content-Type": "application/json"})
    answer.content_length = len(verdict.body)
    await answer.prepare(request)
    await answer.write(verdict.body[: len(verdict.body) // 2])
    if request.transport is not None:
        request.transport.close()
    return answer


def _break_off(request: web.Request) -> web.Response:
    """Resets the connection: the caller sees neither an answer nor an orderly end."""
    transport = request.transport
    if transport is not None:
        line = transport.get_extra_info("socket")
        line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_AT_ONCE)
        transport.abort()
    return web.Response()


async def _close_book(app: web.Application) -> None:
    app[DESK].book.close()
