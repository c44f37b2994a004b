"""`ibiki up`: the whole platform on one machine, with nothing configured."""

from __future__ import annotations

import sys
from pathlib import Path

from ibiki.cli.loading import begin_to_load
from ibiki.local.listening import listening
from ibiki.local.workplace import alone_in, workplace


def run(directory: Path, *, host: str, port: int) -> None:
    """Runs everything until Ctrl-C, then stops it in order.

    The program is loaded while PostgreSQL starts.
    """
    directory = directory.absolute()
    sys.stdout.write("Starting …\n")
    sys.stdout.flush()
    with listening(host, port) as listener:
        whole = begin_to_load("ibiki.local.whole")
        with workplace(directory) as place, alone_in(directory):
            whole().run(place, listener)
