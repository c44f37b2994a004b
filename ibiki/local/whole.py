"""The whole platform in one process: what `ibiki up` runs, once its database is there."""

from __future__ import annotations

import json
import shlex
import socket
from contextlib import AsyncExitStack

import orjson
import uvloop
from rich.console import Console
from rich.markup import escape

from ibiki import processes
from ibiki.local import demo
from ibiki.local.listening import listening
from ibiki.local.workplace import Workplace
from ibiki.observability import logs
from ibiki.observability.instruments import Instruments, instruments
from ibiki.upstreams import is_another
from ibiki.wiring import wired
from persistence import migrating

LOOPBACK = "127.0.0.1"
console = Console(highlight=False)

WELCOME = """
[bold]{brand}[/bold] is up at [bold]{address}[/bold]   (Ctrl-C stops everything)

  Sign in as
{sign_ins}

  A first call to paste:

{sign_in}

  Then, with the token:

{send}
"""
ANOTHER_PROVIDER = """\
  The provider is another one than at the last start, and the balances are still the last one's:
  `ibiki sync` sets the pool to what this one holds.
"""
SIGN_IN = """\
mutation {{ signIn(input: {{email: "client@ibiki.test", password: {password}}}) \
{{ ... on Session {{ accessToken }} ... on UserError {{ message }} }} }}"""
SEND = """\
mutation { send(input: {to: "+12025550100", text: "Hello"}) \
{ ... on Send { id charged } ... on UserError { message } } }"""


def run(place: Workplace, listener: socket.socket) -> None:
    """Runs everything until Ctrl-C, then stops it in order."""
    watching = place.settings.watching
    logs.configure(log_format=watching.log_format, level=watching.log_level)
    with instruments(watching, program="ibiki up") as watch:
        uvloop.run(_up(place, watch, listener))


async def _up(place: Workplace, watch: Instruments, listener: socket.socket) -> None:
    await migrating.migrate(place.database_url)
    async with AsyncExitStack() as stack:
        if place.settings.upstream.is_simulated:
            of_simulator = stack.enter_context(listening(LOOPBACK, 0))
            await stack.enter_async_context(processes.simulating(place.directory, of_simulator))
        parts = await stack.enter_async_context(
            wired(place, name="ibiki up", observer=watch.of_requests())
        )
        password = await demo.write_demo(place, parts.installation, parts.passwords)
        await stack.enter_async_context(processes.working(place, parts, watch))
        app = processes.app_of(place, parts, watch)
        stop = stack.enter_context(processes.told_to_stop())
        console.print(_welcome(place, listener, password), soft_wrap=True)
        if is_another(place.settings, place.directory):
            console.print(ANOTHER_PROVIDER, soft_wrap=True)
        await processes.serve_until_told(place, app, listener, stop)
        console.print("Stopping …")


def _welcome(place: Workplace, listener: socket.socket, password: str) -> str:
    host, port = listener.getsockname()[:2]
    address = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    return welcome(place.settings.installation.brand_name, address, password)


def welcome(brand: str, address: str, password: str) -> str:
    """What is said of a start, in rich's markup; its calls can be pasted into a shell as they are.

    A GraphQL string is written as a JSON string is, whatever is in it.
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
    return WELCOME.format_map({name: escape(text) for name, text in texts.items()})


def _call(address: str, document: str, header: str = "") -> str:
    body = shlex.quote(orjson.dumps({"query": document}).decode())
    asked = f"curl -s {address}/graphql -H 'content-type: application/json' {header}\\"
    return f"{asked}\n  -d {body}"
