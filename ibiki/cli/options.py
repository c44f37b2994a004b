"""The options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Data = Annotated[
    Path,
    typer.Option(
        "--data", envvar="IBIKI_DATA", help="The directory of the keys and the embedded database."
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only look, change nothing.")]
Host = Annotated[str, typer.Option(help="The address to listen on.")]
Port = Annotated[int, typer.Option(help="The port to listen on. 0: a free port.", min=0, max=65535)]
NamedClient = Annotated[str, typer.Argument(help="The client's name, its ID, or a user's email.")]
DEFAULT_DIRECTORY = Path(".ibiki")
LOOPBACK = "127.0.0.1"
