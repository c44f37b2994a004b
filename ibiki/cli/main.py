"""The command line: what an operator types, at first light and at 3 a.m."""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path
from types import ModuleType
from typing import Annotated

import typer

from ibiki.cli.errors import message_for
from ibiki.cli.loading import load

app = typer.Typer(
    help="Ibiki: a self-hosted, white-label, prepaid SMS platform.",
    epilog="Ends with 0 when it is done, 1 when it could not be (it says why), 2 for wrong"
    " arguments or settings, and 3 when the audit found the ledger not to hold.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Data = Annotated[
    Path,
    typer.Option("--data", envvar="IBIKI_DATA", help="Where keys and the database are kept."),
]
Host = Annotated[str, typer.Option(help="The address to listen at.")]
Port = Annotated[int, typer.Option(help="The port to listen at; 0 takes any.", min=0, max=65535)]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]
HERE = Path(".ibiki")
LOOPBACK = "127.0.0.1"
DOES_NOT_HOLD = 3


@app.command()
def up(host: Host = LOOPBACK, port: Port = 8000, data: Data = HERE) -> None:
    """Run everything on this machine, with nothing configured."""
    load("ibiki.local.up").run(data, host=host, port=port)


@app.command()
def serve(host: Host = LOOPBACK, port: Port = 8000, data: Data = HERE) -> None:
    """Answer the API. Any number of these may run."""
    _commands().serve(data, host=host, port=port)


@app.command()
def dispatch(
    host: Host = LOOPBACK,
    port: Annotated[
        int | None,
        typer.Option(help="Answer /healthz, /readyz and /metrics there.", min=0, max=65535),
    ] = None,
    data: Data = HERE,
) -> None:
    """Hand messages over to providers. Any number of these may run."""
    _commands().dispatch(data, host=host, port=port)


@app.command()
def simulate(host: Host = LOOPBACK, port: Port = 8100, data: Data = HERE) -> None:
    """Run the simulated provider."""
    _commands().simulate(data, host=host, port=port)


@app.command()
def migrate(data: Data = HERE) -> None:
    """Bring the database to the newest migration. Safe to run by many at once."""
    _commands().migrate(data)


@app.command()
def demo(data: Data = HERE) -> None:
    """Write the demo data, where it is not there yet."""
    _commands().demo(data)


@app.command("create-admin")
def create_admin(
    email: Annotated[str, typer.Argument(help="The admin's email, to sign in with.")],
    password: Annotated[
        str | None,
        typer.Option(
            envvar="ADMIN_PASSWORD",
            help="Asked for where it is not set. As an option, others on the machine can see it.",
        ),
    ] = None,
    data: Data = HERE,
) -> None:
    """Make a user who sees and does everything."""
    _commands().create_admin(data, email=email, password=password or _asked_password())


@app.command()
def audit(data: Data = HERE, json: Json = False) -> None:
    """Prove the ledger from its entries. Ends with 3 where it does not hold."""
    raise typer.Exit(0 if _commands().audit(data, as_json=json) else DOES_NOT_HOLD)


@app.command()
def sync(data: Data = HERE, json: Json = False) -> None:
    """Ask the provider for the real balance and set the pool to it."""
    _commands().sync(data, as_json=json)


@app.command("export-unknowns")
def export_unknowns(
    send: Annotated[str, typer.Option(help="Only messages of this send (its ID).")] = "",
    client: Annotated[str, typer.Option(help="Only messages of this client (its ID).")] = "",
    before: Annotated[
        str, typer.Option(help="Only messages submitted before this time (2026-11-20T08:30:00Z).")
    ] = "",
    data: Data = HERE,
) -> None:
    """Print the UNKNOWN messages as CSV, to compare them with the provider's log."""
    filters = {"sendId": send, "clientId": client, "attemptedBefore": before}
    _commands().export_unknowns(data, {name: each for name, each in filters.items() if each})


@app.command()
def reconcile(
    data: Data = HERE,
    json: Json = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only look, correct nothing.")] = False,
    since: Annotated[
        datetime | None,
        typer.Option(help="Only sends that were created at this time (UTC) or later."),
    ] = None,
) -> None:
    """Compare all charges with their messages, and correct each difference once."""
    _commands().reconcile(data, dry_run=dry_run, since=since, as_json=json)


@app.command("export-schema")
def export_schema(data: Data = HERE) -> None:
    """Print the GraphQL schema, which is the same for every directory."""
    del data
    _commands().export_schema()


def main() -> None:
    """Runs the command line; a user's mistake ends with a sentence, never with a traceback."""
    try:
        app()
    except Exception as failure:
        sentence = message_for(failure)
        if sentence is None:
            raise
        sys.stderr.write(f"{sentence}\n")
        sys.exit(1)


def _asked_password() -> str:
    if not sys.stdin.isatty():
        raise typer.BadParameter("Set ADMIN_PASSWORD, or run this at a terminal.")
    return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))


def _show_version(asked: bool) -> None:
    if asked:
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
    """What stands before a command."""


def _commands() -> ModuleType:
    return load("ibiki.cli.commands")
