"""The commands: each opens its directory and database, does its work and prints the result."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator, Sequence
from typing import Annotated, Any
from uuid import UUID

import typer
import uvloop

from domain import ids
from domain.dispatch import settle as exporting
from domain.dispatch.messages import UnknownFilter
from domain.errors import ProviderUnavailable, units_in_words
from domain.identity.access import Everything
from domain.identity.users import create_admin as make_admin
from domain.ids import Kind
from domain.ledger import sync as syncing
from domain.ledger.audit import audit as audit_all
from domain.ledger.audit import new_audit
from domain.ledger.audit import summary as audit_summary
from domain.ledger.ports import ProviderAccount
from domain.ledger.reconcile import new_reconciliation, summary
from domain.ledger.reconcile import reconcile as reconcile_all
from domain.ledger.reconciliation import Difference, Reconciliation
from domain.times import moment_of
from ibiki.cli.clients import client_named
from ibiki.cli.options import DEFAULT_DIRECTORY, LOOPBACK, Data, DryRun, Host, Json, Port
from ibiki.cli.running import (
    OPERATOR,
    busy,
    configure_logs,
    console,
    print_result,
    progress_bar,
    with_installation,
)
from ibiki.errors import CommandError
from ibiki.http.csv_files import csv_lines
from ibiki.http.exports import UNKNOWN_COLUMNS, time_of, unknown_rows
from ibiki.local import demo as demo_data
from ibiki.local.command_context import CommandContext, check_session, open_context
from ibiki.observability.telemetry import running_telemetry
from ibiki.wiring import Components
from persistence import migrating, store

app = typer.Typer()

MOST_SHOWN = 1_000
LEDGER_INVALID = 3
"""The exit code."""

AUDIT_ADVICE = (
    "Nothing was changed. Keep these lines and make a dump of the database now (pg_dump). Do not"
    " allocate, and read “The ledger is inconsistent” in docs/troubleshooting.md."
)


class PoolNotSynced(CommandError):
    """The balance could not be read, so the pool is unchanged."""


# `ibiki.processes` is imported late, because it imports the whole API: that takes longer than most
# commands that do not serve it.


@app.command()
def serve(host: Host = LOOPBACK, port: Port = 8000, data: Data = DEFAULT_DIRECTORY) -> None:
    """Serve the API and the console. Any number of these processes may run.

    It sends nothing to providers: run `ibiki dispatch` beside it.
    """
    from ibiki import processes

    with open_context(data) as context:
        configure_logs(context)
        endpoint = context.settings.monitoring.otlp_endpoint
        with running_telemetry(endpoint, program="ibiki serve") as telemetry:
            uvloop.run(processes.serve(context, telemetry, host=host, port=port))


@app.command()
def dispatch(
    host: Host = LOOPBACK,
    port: Annotated[
        int | None,
        typer.Option(help="Serve /healthz, /readyz and /metrics on this port.", min=0, max=65535),
    ] = None,
    data: Data = DEFAULT_DIRECTORY,
) -> None:
    """Send messages to providers. Any number of these processes may run."""
    from ibiki import processes

    with open_context(data) as context:
        configure_logs(context)
        endpoint = context.settings.monitoring.otlp_endpoint
        with running_telemetry(endpoint, program="ibiki dispatch") as telemetry:
            uvloop.run(processes.dispatch(context, telemetry, host=host, port=port))


@app.command()
def simulate(host: Host = LOOPBACK, port: Port = 8100, data: Data = DEFAULT_DIRECTORY) -> None:
    """Run the simulated provider."""
    from ibiki import processes

    asyncio.run(processes.simulate(data, host=host, port=port, announce=console.print))


@app.command()
def migrate(data: Data = DEFAULT_DIRECTORY) -> None:
    """Apply all missing migrations. Safe to run several times at once."""
    with open_context(data) as context, busy("Migrating"):
        check_session(context)
        asyncio.run(migrating.migrate(context.database_url, report=console.print))
    console.print("The database is up to date.")


@app.command()
def demo(data: Data = DEFAULT_DIRECTORY) -> None:
    """Write the demo data, unless it exists."""
    with_installation(data, _demo)


@app.command("create-admin")
def create_admin(
    email: Annotated[str, typer.Argument(help="The email that the admin signs in with.")],
    password: Annotated[
        str | None,
        typer.Option(
            envvar="ADMIN_PASSWORD",
            help="Prompted for if not set. Other users of this machine can see an option.",
        ),
    ] = None,
    data: Data = DEFAULT_DIRECTORY,
) -> None:
    """Create a user with the role ADMIN."""
    given = password or _prompt_for_password()

    async def create(context: CommandContext, parts: Components) -> None:
        user = await make_admin(store, parts.installation.passwords, email=email, password=given)
        console.print(f"{user.email} can sign in now.")

    with_installation(data, create)


def _prompt_for_password() -> str:
    if not sys.stdin.isatty():
        raise typer.BadParameter("Set ADMIN_PASSWORD, or run this in a terminal.")
    return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))


@app.command()
def audit(
    full: Annotated[
        bool,
        typer.Option("--full", help="Start from the beginning, not from the last closed month."),
    ] = False,
    data: Data = DEFAULT_DIRECTORY,
    json: Json = False,
) -> None:
    """Compare balances with transfers, and charges with messages. Exits with 3 if they differ."""

    async def check(context: CommandContext, parts: Components) -> bool:
        started = await new_audit(store, full=full)
        with progress_bar(json) as progress:
            bar = progress.add_task("Checking balances and charges", total=100)
            done = await audit_all(
                store, started, report=lambda now: progress.update(bar, completed=now.percent)
            )
        checkpoint = next(iter((await store.read_checkpoints())[-1:]), None)
        print_result(
            json,
            {
                "id": str(done.id),
                "holds": done.holds,
                "provenUntil": done.proven_until,
                "checkpoint": checkpoint.hash.hex() if checkpoint else None,
                "accountsChecked": done.accounts_checked,
                "transfersChecked": done.transfers_checked,
                "messagesChecked": done.messages_checked,
                "violations": list(done.violations),
                "checkedAt": done.checked_at,
            },
            audit_summary(done),
            *((f"Closed until {checkpoint.month}: {checkpoint.hash.hex()}",) if checkpoint else ()),
            *done.violations,
            *(() if done.holds else (AUDIT_ADVICE,)),
        )
        return done.holds

    holds = with_installation(data, check, must_exist=True)
    raise typer.Exit(0 if holds else LEDGER_INVALID)


@app.command()
def sync(
    client: Annotated[
        str,
        typer.Option(help="Sync this client's own provider account, not the default pool."),
    ] = "",
    reading: Annotated[
        int | None,
        typer.Option(help="The balance in units, if the provider reports none (Kannel)."),
    ] = None,
    data: Data = DEFAULT_DIRECTORY,
    json: Json = False,
) -> None:
    """Read the balance from the provider and set the pool to it.

    This syncs the default pool, or that of a client. Admins sync others in the console.
    """

    async def read(context: CommandContext, parts: Components) -> None:
        account = await store.find_provider_account(await _own_account(client) if client else None)
        try:
            provider = await parts.installation.providers.of(account.id)
            with busy("Reading the balance when no call is running"):
                done = await syncing.sync(
                    store,
                    provider,
                    account,
                    actor_id=None,
                    rules=parts.installation.sync_rules,
                    by_hand=reading,
                )
        except ProviderUnavailable as unavailable:
            raise PoolNotSynced(_why_not_synced(context, account, unavailable)) from unavailable
        print_result(
            json,
            {
                "previousPool": done.previous_pool,
                "change": done.change,
                "inFlight": done.in_flight,
                "checkedAt": done.checked_at,
            },
            *_synced(account, done),
        )

    with_installation(data, read, must_exist=True)


async def _own_account(client: str) -> UUID:
    """The provider account that a client owns. Raises CommandError."""
    owner = await client_named(client)
    own = await store.find_own_account(owner.id)
    if own is None:
        raise CommandError(
            f"{owner.name} does not have its own provider account. Give it one with"
            " setProviderCredentials."
        )
    return own.id


@app.command("export-unknowns")
def export_unknowns(
    send: Annotated[str, typer.Option(help="Only messages of the send with this ID.")] = "",
    client: Annotated[
        str,
        typer.Option(help="Only messages of this client: its name, its ID, or a user's email."),
    ] = "",
    before: Annotated[
        str, typer.Option(help="Only messages submitted before this time (2026-11-20T08:30:00Z).")
    ] = "",
    data: Data = DEFAULT_DIRECTORY,
) -> None:
    """Print the UNKNOWN messages as CSV, to compare them with the provider's log."""
    send_id = ids.decode(Kind.SEND, send) if send else None
    moment = time_of(before, name="--before") if before else None

    async def export(context: CommandContext, parts: Components) -> None:
        client_id = (await client_named(client)).id if client else None
        wanted = UnknownFilter(send_id, client_id, moment)
        header = csv_lines([UNKNOWN_COLUMNS])  # with the first page: without it, nothing is printed
        async for page in exporting.export_unknowns(store, OPERATOR, wanted):
            sys.stdout.write(header + csv_lines(unknown_rows(page)))
            header = ""

    with_installation(data, export, must_exist=True)


@app.command()
def reconcile(
    data: Data = DEFAULT_DIRECTORY,
    json: Json = False,
    dry_run: DryRun = False,
    since: Annotated[
        str, typer.Option(help="Only sends from this date or time on (ISO 8601; UTC).")
    ] = "",
) -> None:
    """Compare all charges with their messages, and correct each difference once."""
    moment = moment_of(since, field="--since") if since else None

    async def run(context: CommandContext, parts: Components) -> None:
        started = await new_reconciliation(store, dry_run=dry_run, since=moment)
        total = await store.estimate_sends()
        with progress_bar(json) as progress:
            bar = progress.add_task("Comparing charges with messages", total=total)
            done = await reconcile_all(
                store,
                started,
                report=lambda now: progress.update(bar, completed=now.sends_checked),
            )
        found = (await store.read_differences(Everything(), [done.id], most=MOST_SHOWN))[done.id]
        print_result(
            json,
            _figures_of(done, found),
            f"{summary(done)}.",
            *(each.explanation for each in found),
            *(() if found else ("Every charge matches its messages.",)),
            *((f"Only the first {MOST_SHOWN:,} are shown.",) if len(found) == MOST_SHOWN else ()),
        )

    with_installation(data, run, must_exist=True)


def _figures_of(done: Reconciliation, found: Sequence[Difference]) -> dict[str, Any]:
    return {
        "id": str(done.id),
        "dryRun": done.dry_run,
        "sendsChecked": done.sends_checked,
        "messagesChecked": done.messages_checked,
        "chargedMissing": done.charged_missing,
        "refundedExcess": done.refunded_excess,
        "unknownResolved": done.unknown_resolved,
        "unknownLeft": done.unknown_left,
        "differences": [
            {
                "clientId": str(each.client_id),
                "sendId": str(each.send_id) if each.send_id else None,
                "expected": each.expected,
                "found": each.found,
                "corrected": each.corrected,
                "explanation": each.explanation,
            }
            for each in found
        ],
    }


def _synced(account: ProviderAccount, done: syncing.Synced) -> Iterator[str]:
    now = done.previous_pool + done.change
    reading = units_in_words(now + done.in_flight, account.unit)
    yield f"The provider reports {reading}, {done.in_flight:,} of them already charged by us."
    if done.change:
        before = units_in_words(done.previous_pool, account.unit)
        yield f"The pool now holds {now:,}. Before, it held {before} (change: {done.change:+,})."
    else:
        yield f"The pool holds {now:,}, as before."
    if now < 0:
        yield "This is below zero: nothing can be sent until the provider account is topped up."


def _why_not_synced(
    context: CommandContext, account: ProviderAccount, unavailable: ProviderUnavailable
) -> str:
    last_reading = (
        f"The last reading, of {account.read_at:%Y-%m-%d %H:%M} UTC, is kept."
        if account.read_at
        else "Its balance was never read."
    )
    if account.owner_client_id is not None:
        advice = "Check SMS_API_URL, the network and the client's credentials."
    elif account.provider != "extreme":
        advice = "Check the address and the credentials of the account, and the network."
    elif context.settings.upstream.is_simulated:
        advice = f"Check that `ibiki up` or `ibiki simulate` runs in {context.directory}."
    else:
        address = context.settings.upstream.extreme_api_url or "the provider's usual address"
        advice = (
            f"The request went to {address}."
            " Check EXTREME_API_URL, EXTREME_API_KEY and the network."
        )
    return f"{unavailable.for_operator} {last_reading} {advice}"


@app.command("export-schema")
def export_schema(data: Data = DEFAULT_DIRECTORY) -> None:
    """Print the GraphQL schema. --data has no effect."""
    from schema.schema import export_schema as export

    sys.stdout.write(export())


@app.command("export-openapi")
def export_openapi(data: Data = DEFAULT_DIRECTORY) -> None:
    """Print the OpenAPI document of the REST API. --data has no effect."""
    from ibiki.http.rest.openapi import export_openapi as export

    sys.stdout.write(export())


async def _demo(context: CommandContext, parts: Components) -> None:
    password = await demo_data.write_demo(context, parts.installation)
    for user in demo_data.USERS:
        console.print(f"  {user.email:<24}{user.role.value:<12}{password}")
