"""The whole platform in one process, which `ibiki up` runs when its database is ready."""

from __future__ import annotations

import json
import shlex
import socket
from contextlib import AsyncExitStack, suppress
from datetime import UTC, datetime
from functools import partial

import orjson
import uvloop
from rich.console import Console
from rich.markup import escape

from domain.errors import AlreadyRunning
from domain.ledger.reconcile import last_night
from domain.loops import Loop, running_loops
from ibiki import processes
from ibiki.agreeing import shown_name
from ibiki.local import demo
from ibiki.local.command_context import CommandContext, check_session
from ibiki.local.listening import listening
from ibiki.local.restarting import kept_running
from ibiki.observability import logs
from ibiki.observability.telemetry import Telemetry, running_telemetry
from ibiki.upstreams import provider_changed
from ibiki.wiring import running_components
from persistence import migrating, store
from persistence.closing import close_months

LOOPBACK = "127.0.0.1"
console = Console(highlight=False)

STARTUP_MESSAGE = """
[bold]{brand}[/bold] is up at [bold]{address}[/bold]   (Ctrl-C stops everything)

  Users
{sign_ins}

  Sign in with this command:

{sign_in}

  Then send a message, with the token from its response:

{send}
"""
PROVIDER_CHANGED = """\
  The provider has changed since the last start, but the balances are those of the old provider.
  Run `ibiki sync` to set the pool to the balance of the new one.
"""
SIGN_IN = """\
mutation {{ signIn(input: {{email: "client@ibiki.test", password: {password}}}) \
{{ ... on Session {{ accessToken }} ... on UserError {{ message }} }} }}"""
SEND = """\
mutation { send(input: {to: "+12025550100", text: "Hello"}) \
{ ... on Send { id charged } ... on UserError { message } } }"""


def run(context: CommandContext, listener: socket.socket) -> None:
    """Runs everything until Ctrl-C, then shuts down cleanly."""
    monitoring = context.settings.monitoring
    logs.configure(log_format=monitoring.log_format, level=monitoring.log_level)
    with running_telemetry(monitoring.otlp_endpoint, program="ibiki up") as telemetry:
        uvloop.run(_up(context, telemetry, listener))


async def _up(context: CommandContext, telemetry: Telemetry, listener: socket.socket) -> None:
    check_session(context)
    await migrating.migrate(context.database_url)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(kept_running(context.embedded))
        if context.settings.upstream.is_simulated:
            sim_listener = stack.enter_context(listening(LOOPBACK, 0))
            await stack.enter_async_context(processes.simulating(context.directory, sim_listener))
        parts = await stack.enter_async_context(
            running_components(
                context,
                name=shown_name("ibiki up", context.settings),
                observer=telemetry.for_requests(),
            )
        )
        await stack.enter_async_context(processes.comparing(context, telemetry))
        password = await demo.write_demo(context, parts.installation)
        await stack.enter_async_context(processes.run_workers(context, parts, telemetry))
        if context.embedded is not None:  # no process of an older release can use it
            close = partial(close_nightly, context.database_url)
            closing = Loop("closing numbers", close, every_seconds=processes.NIGHTLY_CHECK_SECONDS)
            await stack.enter_async_context(running_loops(closing))
        stop = stack.enter_context(processes.stop_signal())
        app = processes.app_of(context, parts, telemetry, stop)
        console.print(_startup_message(context, listener, password), soft_wrap=True)
        if provider_changed(context.settings, context.directory):
            console.print(PROVIDER_CHANGED, soft_wrap=True)
        await processes.log_problems(parts)
        await processes.serve_until_stopped(context, app, listener, stop)
        console.print("Stopping …")


async def close_nightly(url: str) -> bool:
    """Closes months once a night, like `ibiki partitions --close`. Cheap: a loop calls it."""
    if await store.start_daily("close numbers", not_since=last_night(datetime.now(UTC))):
        with suppress(AlreadyRunning):
            await close_months(url)
    return False


def _startup_message(context: CommandContext, listener: socket.socket, password: str) -> str:
    host, port = listener.getsockname()[:2]
    address = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    return startup_message(context.settings.installation.brand_name, address, password)


def startup_message(brand: str, address: str, password: str) -> str:
    """The message at the start, in rich's markup. Its commands can be pasted into a shell.

    The password is written as a JSON string, which is also a valid GraphQL string.
    """
    sign_ins = "\n".join(
        f"    {user.email:<24}{password}   {user.role.value}" for user in demo.USERS
    )
    texts = {
        "brand": brand,
        "address": address,
        "sign_ins": sign_ins,
        "sign_in": _call(address, SIGN_IN.format(password=json.dumps(password))),
        "send": _call(address, SEND, "-H 'authorization: Bearer TOKEN' "),
    }
    return STARTUP_MESSAGE.format_map({name: escape(text) for name, text in texts.items()})


def _call(address: str, document: str, header: str = "") -> str:
    body = shlex.quote(orjson.dumps({"query": document}).decode())
    command = f"curl -s {address}/graphql -H 'content-type: application/json' {header}\\"
    return f"{command}\n  -d {body}"
