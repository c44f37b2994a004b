"""Opens the port to listen on. Commands do it first, so that they fail fast."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager

from ibiki.cli.errors import CommandError


class CannotListen(CommandError):
    """The address or the port cannot be used."""


@contextmanager
def listening(host: str, port: int) -> Iterator[socket.socket]:
    """A listening socket, closed at the end of the block. Raises CannotListen."""
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.create_server((host, port), family=family)
    except OSError as error:
        why = (error.strerror or "").split(" (while")[0]
        raise CannotListen(
            f"Cannot listen on {host}:{port}: {why}. Choose another --port or --host."
        ) from error
    with listener:
        yield listener
