"""`ibiki up`: the whole platform on one machine, without configuration."""

from __future__ import annotations

import sys
from pathlib import Path

from ibiki.cli.loading import load_in_background
from ibiki.local.command_context import open_context, single_instance
from ibiki.local.listening import listening


def run(directory: Path, *, host: str, port: int) -> None:
    """Runs everything until Ctrl-C, then shuts down cleanly.

    The program is imported while PostgreSQL starts.
    """
    directory = directory.absolute()
    sys.stdout.write("Starting …\n")
    sys.stdout.flush()
    with listening(host, port) as listener:
        platform = load_in_background("ibiki.local.all_in_one")
        with open_context(directory) as context, single_instance(directory):
            platform().run(context, listener)
