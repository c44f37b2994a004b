"""What the commands do: each opens the place it works in, does its work, and says so plainly."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import orjson
import uvloop
from rich.console import Console

from domain.identity.users import create_admin as make_admin
from domain.ledger import sync as syncing
from domain.ledger.valuation import units_in_words
from ibiki import demo as demo_data
from ibiki import logs, processes
from ibiki.instruments import instruments
from ibiki.wiring import Wired, wired
from ibiki.workplace import Workplace, workplace
from persistence import database, store

console = Console(highlight=False)


def serve(data: Path, *, host: str, port: int) -> None:
    """Answers the API until it is told to stop."""
    with workplace(data) as place:
        _log(place)
        with instruments(place.settings.watching, program="ibiki serve") as watch:
            uvloop.run(processes.serve(place, watch, host=host, port=port))


def dispatch(data: Path, *, host: str, port: int | None) -> None:
    """Hands messages over until it is told to stop."""
    with workplace(data) as place:
        _log(place)
        with instruments(place.settings.watching, program="ibiki dispatch") as watch:
            uvloop.run(processes.dispatch(place, watch, host=host, port=port))


def simulate(data: Path, *, host: str, port: int) -> None:
    """Runs the simulated provider until it is told to stop."""
    asyncio.run(processes.simulate(data, host=host, port=port, announce=console.print))


def migrate(data: Path) -> None:
    """Brings the database to the newest migration."""
    with workplace(data) as place:
        asyncio.run(database.migrate(place.database_url))
    console.print("The database is at the newest migration.")


def demo(data: Path) -> None:
    """Writes the demo data, and says the sign-ins."""
    _with_house(data, _demo)


def create_admin(data: Path, *, email: str, password: str) -> None:
    """Makes a user who sees and does everything."""

    async def create(place: Workplace, parts: Wired) -> None:
        user = await make_admin(store, parts.passwords, email=email, password=password)
        console.print(f"{user.email} can sign in now.")

    _with_house(data, create)


def audit(data: Path, *, as_json: bool) -> bool:
    """Proves the ledger from its entries; whether it holds."""

    async def prove(place: Workplace, parts: Wired) -> bool:
        findings = await store.audit()
        _say(
            as_json,
            {
                "holds": findings.holds,
                "accountsChecked": findings.accounts_checked,
                "transfersChecked": findings.transfers_checked,
                "messagesChecked": findings.messages_checked,
                "violations": list(findings.violations),
                "checkedAt": findings.checked_at,
            },
            f"{findings.accounts_checked} accounts, {findings.transfers_checked} transfers and"
            f" {findings.messages_checked} messages: "
            + ("the ledger holds." if findings.holds else "THE LEDGER DOES NOT HOLD."),
            *findings.violations,
        )
        return findings.holds

    return bool(_with_house(data, prove, begun=True))


def sync(data: Path, *, as_json: bool) -> None:
    """Sets the default pool to what its provider says."""

    async def read(place: Workplace, parts: Wired) -> None:
        account = await store.find_provider_account(None)
        provider = await parts.house.providers.of(account.id)
        done = await syncing.sync(
            store, provider, account, actor_id=None, pause=processes.pause_of(place.settings)
        )
        _say(
            as_json,
            {
                "previousPool": done.previous_pool,
                "change": done.change,
                "inFlight": done.in_flight,
                "checkedAt": done.checked_at,
            },
            f"The pool held {units_in_words(done.previous_pool, account.unit)} and changed by"
            f" {done.change:+,}. In flight: {done.in_flight:,}.",
        )

    _with_house(data, read, begun=True)


def export_schema() -> None:
    """Prints the GraphQL schema."""
    from schema.schema import export_schema as export

    sys.stdout.write(export())


async def _demo(place: Workplace, parts: Wired) -> None:
    password = await demo_data.write_demo(place, parts.house, parts.passwords)
    for user in demo_data.USERS:
        console.print(f"  {user.email:<24}{user.role.value:<12}{password}")


def _with_house(
    data: Path, work: Callable[[Workplace, Wired], Awaitable[Any]], *, begun: bool = False
) -> Any:
    """What the work returns, done in a house over a database at the newest migration."""

    async def run(place: Workplace) -> Any:
        await database.migrate(place.database_url)
        async with wired(place, name="ibiki command") as parts:
            return await work(place, parts)

    with workplace(data, begun=begun) as place:
        _log(place)
        return asyncio.run(run(place))


def _log(place: Workplace) -> None:
    watching = place.settings.watching
    logs.configure(log_format=watching.log_format, level=watching.log_level)


def _say(as_json: bool, figures: dict[str, Any], *sentences: str) -> None:
    if as_json:
        sys.stdout.buffer.write(orjson.dumps(figures, option=orjson.OPT_APPEND_NEWLINE))
        return
    for sentence in sentences:
        console.print(sentence)
