"""The port to listen at: had before anything slow is begun."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager

from ibiki.cli.errors import CommandError


class CannotListen(CommandError):
    """The address or the port cannot be had: choose others with --host and --port."""


@contextmanager
def listening(host: str, port: int) -> Iterator[socket.socket]:
    """The port is ours, before anything slow is begun. Raises CannotListen."""
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.create_server((host, port), family=family)
    except OSError as taken:
        why = (taken.strerror or "").split(" (while")[0]
        raise CannotListen(
            f"Cannot listen at {host}:{port}: {why}. Choose another --port or --host."
        ) from taken
    with listener:
        yield listener
