"""The whole platform in one process: what `ibiki up` runs, once its database is there."""

from __future__ import annotations

import socket
from contextlib import AsyncExitStack

import uvloop
from rich.console import Console

from ibiki import demo, logs, processes
from ibiki.instruments import Instruments, instruments
from ibiki.listening import listening
from ibiki.wiring import wired
from ibiki.workplace import Workplace
from persistence import database

LOOPBACK = "127.0.0.1"
console = Console(highlight=False)

WELCOME = """
[bold]{brand}[/bold] is up at [bold]{address}[/bold]   (Ctrl-C stops everything)

  Sign in as
{sign_ins}

  A first call to paste:

curl -s {address}/graphql -H 'content-type: application/json' \\
  -d '{{"query":"mutation {{ signIn(input: \
{{email: \\"client@ibiki.test\\", password: \\"{password}\\"}}) \
{{ ... on Session {{ accessToken }} ... on UserError {{ message }} }} }}"}}'

  Then, with the token:

curl -s {address}/graphql -H 'content-type: application/json' -H 'authorization: Bearer TOKEN' \\
  -d '{{"query":"mutation {{ send(input: {{to: \\"+12025550100\\", text: \\"Hello\\"}}) \
{{ ... on Send {{ id charged }} ... on UserError {{ message }} }} }}"}}'
"""


def run(place: Workplace, listener: socket.socket) -> None:
    """Runs everything until Ctrl-C, then stops it in order."""
    watching = place.settings.watching
    logs.configure(log_format=watching.log_format, level=watching.log_level)
    with instruments(watching, program="ibiki up") as watch:
        uvloop.run(_up(place, watch, listener))


async def _up(place: Workplace, watch: Instruments, listener: socket.socket) -> None:
    await database.migrate(place.database_url)
    async with AsyncExitStack() as stack:
        if place.settings.upstream.is_simulated:
            of_simulator = stack.enter_context(listening(LOOPBACK, 0))
            await stack.enter_async_context(processes.simulating(place.directory, of_simulator))
        parts = await stack.enter_async_context(
            wired(place, name="ibiki up", observer=watch.of_requests())
        )
        password = await demo.write_demo(place, parts.house, parts.passwords)
        await stack.enter_async_context(processes.working(place, parts, watch))
        app = processes.app_of(place, parts, watch)
        stop = stack.enter_context(processes.told_to_stop())
        console.print(_welcome(place, listener, password), soft_wrap=True)
        await processes.serve_until_told(place, app, listener, stop)
        console.print("Stopping …")


def _welcome(place: Workplace, listener: socket.socket, password: str) -> str:
    host, port = listener.getsockname()[:2]
    sign_ins = "\n".join(
        f"    {user.email:<24}{password}   {user.role.value}" for user in demo.USERS
    )
    return WELCOME.format(
        brand=place.settings.installation.brand_name,
        address=f"http://{host}:{port}",
        sign_ins=sign_ins,
        password=password,
    )
