"""The simulated providers: an HTTP server with the formats of all of them.

It keeps a balance (one credit per message) and a log of the accepted messages, so that tests can
compare our records with it. Magic numbers and the control endpoint select how it responds. It calls
a webhook with delivery reports and with messages from phones.
"""

from __future__ import annotations

import asyncio
import math
import socket
import struct
import tempfile
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext, suppress
from pathlib import Path
from typing import Final

from aiohttp import web

from providers.simulator.africastalking import SimulatedAfricasTalking
from providers.simulator.android import SimulatedAndroid
from providers.simulator.behaviours import Behaviour
from providers.simulator.caller import Webhook, WebhookCaller
from providers.simulator.calls import PlannedResponse
from providers.simulator.control import ACCOUNT, CALLER, VENDORS, control_routes
from providers.simulator.egosms import SimulatedEgoSmsJson, SimulatedEgoSmsPlain
from providers.simulator.extreme import SimulatedExtreme
from providers.simulator.faults import Faults
from providers.simulator.request_log import RequestLog
from providers.simulator.twilio import SimulatedTwilio
from providers.simulator.vendors import ReceivedCall

DEFAULT_API_KEY: Final = "simulated"
DEFAULT_BALANCE: Final = 100_000
LOOPBACK: Final = "127.0.0.1"
LARGEST_REQUEST_BYTES: Final = 16 * 1024 * 1024
# Calls that are still open at the end hang, so a longer wait would not help.
SHUTDOWN_SECONDS: Final = 0.2
RESET_AT_ONCE: Final = struct.pack("ii", 1, 0)


@asynccontextmanager
async def running(
    state_dir: Path | None = None,
    *,
    balance: int = DEFAULT_BALANCE,
    webhook: Webhook | None = None,
    listener: socket.socket | None = None,
) -> AsyncIterator[str]:
    """Runs a simulator in the body of the `async with`, and yields its base URL.

    Without a `listener`, any free port of this machine. Without `state_dir`, nothing is kept.
    `balance` is used only for a new directory. Raises DirectoryInUse.
    """
    with _directory(state_dir) as directory:
        app = _create_app(Path(directory), balance, webhook or Webhook())
        # With `handler_cancellation`, a call that hangs ends when the caller disconnects.
        runner = web.AppRunner(
            app, access_log=None, handler_cancellation=True, shutdown_timeout=SHUTDOWN_SECONDS
        )
        await runner.setup()
        try:
            await web.SockSite(runner, listener or socket.create_server((LOOPBACK, 0))).start()
            host, port = runner.addresses[0][:2]
            yield f"http://{f'[{host}]' if ':' in host else host}:{port}"
        finally:
            await runner.cleanup()


def _create_app(state_dir: Path, balance: int, webhook: Webhook) -> web.Application:
    """The application. Its log is opened in `state_dir` now, and closed with the application."""
    app = web.Application(client_max_size=LARGEST_REQUEST_BYTES)
    log, faults = RequestLog(state_dir, opening_balance=balance), Faults()
    app[ACCOUNT] = SimulatedExtreme(log, faults, api_key=DEFAULT_API_KEY)
    app[VENDORS] = [
        SimulatedTwilio(log, faults),
        SimulatedAndroid(log, faults),
        SimulatedAfricasTalking(log, faults),
        SimulatedEgoSmsPlain(log, faults),
        SimulatedEgoSmsJson(log, faults),
    ]
    app[CALLER] = WebhookCaller(webhook)
    app.add_routes(control_routes())
    app.router.add_route("*", "/{anything:.*}", _receive)
    app.on_cleanup.append(_close)
    return app


def _directory(state_dir: Path | None) -> AbstractContextManager[str | Path]:
    if state_dir is None:
        return tempfile.TemporaryDirectory(prefix="ibiki-simulator-")
    return nullcontext(state_dir)


async def _close(app: web.Application) -> None:
    await app[CALLER].close()
    app[ACCOUNT].log.close()


async def _receive(request: web.Request) -> web.StreamResponse:
    account = request.app[ACCOUNT]
    account.open_calls += 1
    try:
        return await _respond(request, account)
    finally:
        account.open_calls -= 1


async def _respond(request: web.Request, account: SimulatedExtreme) -> web.StreamResponse:
    body = await request.read()
    call = ReceivedCall(request.method, request.path, request.query, request.headers, body)
    owners = (each for each in request.app[VENDORS] if each.owns(request.path))
    planned = next(owners, account).receive(call)
    behaviour = planned.behaviour
    await request.app[CALLER].start(planned.callbacks)
    if behaviour.seconds and not behaviour.asks_to_wait:
        await _wait(account, behaviour.seconds)
    if planned.status is None:
        return _reset(request)
    if behaviour.ending == "cut":
        return await _send_half(request, planned)
    return web.Response(
        status=planned.status, body=planned.body, headers=_headers(behaviour, planned)
    )


def _headers(behaviour: Behaviour, planned: PlannedResponse) -> dict[str, str]:
    kinds = {b"<": "text/html", b"{": "application/json", b"[": "application/json"}
    first = planned.body[:1]
    headers = {"Content-Type": kinds.get(first, "text/plain") if first else "application/json"}
    if behaviour.asks_to_wait:
        headers["Retry-After"] = str(math.ceil(behaviour.seconds))
    return headers


async def _wait(account: SimulatedExtreme, seconds: float) -> None:
    """Waits that long, or until the faults are cleared."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await account.faults.cleared.wait()


async def _send_half(request: web.Request, planned: PlannedResponse) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    response.content_length = len(planned.body)
    await response.prepare(request)
    await response.write(planned.body[: len(planned.body) // 2])
    if request.transport is not None:
        request.transport.close()
    return response


def _reset(request: web.Request) -> web.Response:
    """Resets the connection, so that the caller gets neither a response nor a normal close."""
    transport = request.transport
    if transport is not None:
        raw_socket = transport.get_extra_info("socket")
        raw_socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_AT_ONCE)
        transport.abort()
    return web.Response()
