"""The commands of `ibiki`, with their options and help texts."""

from __future__ import annotations

import os
import sys
from enum import StrEnum
from pathlib import Path
from types import ModuleType
from typing import Annotated

import typer

from ibiki.cli.errors import message_for
from ibiki.cli.loading import load
from ibiki.cli.upkeep import DEFAULT_DIRECTORY, Data, Json, upkeep

app = typer.Typer(
    help="Ibiki: a self-hosted, white-label, prepaid SMS platform.",
    epilog="Exit codes: 0 success, 1 failure (the message says why), 2 invalid arguments or"
    " settings, 3 the audit found an error in the ledger, 4 check-provider found a problem.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Host = Annotated[str, typer.Option(help="The address to listen on.")]
Port = Annotated[int, typer.Option(help="The port to listen on. 0: a free port.", min=0, max=65535)]
LOOPBACK = "127.0.0.1"
LEDGER_INVALID = 3
PROVIDER_INVALID = 4


@app.command()
def up(host: Host = LOOPBACK, port: Port = 8000, data: Data = DEFAULT_DIRECTORY) -> None:
    """Run everything on this machine, without configuration."""
    load("ibiki.local.up").run(data, host=host, port=port)


@app.command()
def serve(host: Host = LOOPBACK, port: Port = 8000, data: Data = DEFAULT_DIRECTORY) -> None:
    """Serve the API. Any number of these processes may run."""
    _commands().serve(data, host=host, port=port)


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
    _commands().dispatch(data, host=host, port=port)


@app.command()
def simulate(host: Host = LOOPBACK, port: Port = 8100, data: Data = DEFAULT_DIRECTORY) -> None:
    """Run the simulated provider."""
    _commands().simulate(data, host=host, port=port)


@app.command()
def migrate(data: Data = DEFAULT_DIRECTORY) -> None:
    """Apply all missing migrations. Safe to run several times at once."""
    _commands().migrate(data)


@app.command()
def demo(data: Data = DEFAULT_DIRECTORY) -> None:
    """Write the demo data, unless it exists."""
    _commands().demo(data)


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
    _commands().create_admin(data, email=email, password=password or _prompt_for_password())


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
    holds = _commands().audit(data, full=full, as_json=json)
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
    """Read the balance from the provider and set the pool to it."""
    _commands().sync(data, client=client, reading=reading, as_json=json)


@app.command("check-provider")
def check_provider(
    provider: Annotated[str, typer.Argument(help="The name of the provider, such as kannel.")],
    config: Annotated[
        Path | None, typer.Option(help="For Kannel: its configuration file.", dir_okay=False)
    ] = None,
    address: Annotated[
        str,
        typer.Option(help="For Kannel elsewhere: its admin-port, such as http://10.0.0.5:13000."),
    ] = "",
    data: Data = DEFAULT_DIRECTORY,
    json: Json = False,
) -> None:
    """Say what is wrong with a provider. Sends nothing. Exits with 4 if something is wrong.

    For Kannel, this checks the configuration and the status. For others, it reads the balance.
    """
    right = load("ibiki.cli.checking").check(
        data, provider, config=config, address=address, as_json=json
    )
    raise typer.Exit(0 if right else PROVIDER_INVALID)


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
    _commands().export_unknowns(data, send=send, client=client, before=before)


class Importable(StrEnum):
    """The kinds of files that can be imported."""

    LEGACY_LOGS = "legacy-logs"
    CLIENTS = "clients"
    BALANCES = "balances"
    CONTACTS = "contacts"
    OPT_OUTS = "opt-outs"


@app.command(
    "import",
    epilog="Columns, named in the first line (docs/importing.md explains them):\n\n"
    "legacy-logs: client_email, created_at, message_count, charged, reference\n\n"
    "clients: name, email; optional: business, group, rate_usd, status, password\n\n"
    "balances: client_email, balance; optional: reference\n\n"
    "contacts: client_email, a phone; optional: a name, a business\n\n"
    "opt-outs: client_email, a phone",
)
def import_(
    kind: Annotated[Importable, typer.Argument(help="What the file holds.")],
    file: Annotated[
        Path, typer.Argument(help="A CSV or XLSX file.", exists=True, dir_okay=False, readable=True)
    ],
    client: Annotated[
        str,
        typer.Option(
            help="For contacts and opt-outs: the client of all lines. Its name, ID or email."
        ),
    ] = "",
    column: Annotated[
        str, typer.Option(help="For contacts and opt-outs: the column of the phone numbers.")
    ] = "",
    errors: Annotated[
        Path | None,
        typer.Option(help="Write all lines that cannot be imported to this CSV file."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only check the file.")] = False,
    json: Json = False,
    data: Data = DEFAULT_DIRECTORY,
) -> None:
    """Import a file of another system. If one line is wrong, nothing is imported.

    If it was interrupted, run it again: it skips what was imported before.
    """
    load("ibiki.cli.importing").import_file(
        data,
        kind.value,
        file,
        client=client,
        column=column,
        errors=errors,
        dry_run=dry_run,
        as_json=json,
    )


@app.command()
def statement(
    client: Annotated[
        str,
        typer.Argument(help="The client's name, its ID, or a user's email."),
    ],
    start: Annotated[
        str, typer.Option("--from", help="From this date or time on (2026-11-01), in UTC.")
    ] = "",
    end: Annotated[
        str, typer.Option("--to", help="To the end of this date, or before this time, in UTC.")
    ] = "",
    csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    data: Data = DEFAULT_DIRECTORY,
) -> None:
    """Print the transfers of a client with the running balance, oldest first."""
    load("ibiki.cli.statement").statement(
        data, client=client, start=start or None, end=end or None, as_csv=csv
    )


@app.command()
def reconcile(
    data: Data = DEFAULT_DIRECTORY,
    json: Json = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only look, correct nothing.")] = False,
    since: Annotated[
        str, typer.Option(help="Only sends from this date or time on (ISO 8601; UTC).")
    ] = "",
) -> None:
    """Compare all charges with their messages, and correct each difference once."""
    _commands().reconcile(data, dry_run=dry_run, since=since or None, as_json=json)


@app.command("export-schema")
def export_schema(data: Data = DEFAULT_DIRECTORY) -> None:
    """Print the GraphQL schema. --data has no effect."""
    del data
    _commands().export_schema()


@app.command("export-openapi")
def export_openapi(data: Data = DEFAULT_DIRECTORY) -> None:
    """Print the OpenAPI document of the REST API. --data has no effect."""
    del data
    _commands().export_openapi()


app.add_typer(upkeep)


def main() -> None:
    """Runs the command line. An error that the operator can correct has no traceback."""
    try:
        app()
    except BrokenPipeError:
        # The reader of the output, such as `head`, has ended. Python flushes once more at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Exception as error:
        message = message_for(error)
        if message is None:
            raise
        sys.stderr.write(f"{message}\n")
        sys.exit(1)


def _prompt_for_password() -> str:
    if not sys.stdin.isatty():
        raise typer.BadParameter("Set ADMIN_PASSWORD, or run this in a terminal.")
    return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))


def _show_version(requested: bool) -> None:
    if requested:
        from importlib.metadata import version

        sys.stdout.write(f"ibiki {version('ibiki')}\n")
        raise typer.Exit


@app.callback()
def _options(
    show_version: Annotated[
        bool,
        typer.Option("--version", help="Print the version.", callback=_show_version, is_eager=True),
    ] = False,
) -> None:
    """Options that precede a command."""


def _commands() -> ModuleType:
    return load("ibiki.cli.commands")
