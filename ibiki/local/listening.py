"""Opens the port to listen on. Commands open it first, so that they fail fast."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager

from ibiki.errors import CommandError


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
        # Connections inherit this. Without it, the body of an answer waits until the caller has
        # confirmed the head: for 40 ms. uvloop sets it for each connection, and asyncio's own loop
        # does not, because `create_server` does not name the protocol of its socket.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield listener
