"""`ibiki up`: the whole platform on one machine, without configuration."""

from __future__ import annotations

import sys

import typer

from ibiki.cli.loading import load_in_background
from ibiki.cli.options import DEFAULT_DIRECTORY, LOOPBACK, Data, Host, Port
from ibiki.local.command_context import open_context, single_instance
from ibiki.local.listening import listening

app = typer.Typer()


@app.command()
def up(host: Host = LOOPBACK, port: Port = 8000, data: Data = DEFAULT_DIRECTORY) -> None:
    """Run everything on this machine, without configuration."""
    directory = data.absolute()
    sys.stdout.write("Starting …\n")
    sys.stdout.flush()
    with listening(host, port) as listener:
        # The program is imported while PostgreSQL starts.
        platform = load_in_background("ibiki.all_in_one")
        with open_context(directory) as context, single_instance(directory):
            platform().run(context, listener)
