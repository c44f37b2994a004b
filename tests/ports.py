"""Ports for the programs that a test starts."""

from __future__ import annotations

import secrets
import socket
from contextlib import ExitStack, suppress

FIRST, LAST = 16_000, 32_000
"""The system gives higher ports to connections and to servers that bind port 0. One of these could
get the same port before the program binds it: then a proxy connects to itself."""


def free_ports(count: int) -> list[int]:
    """Different ports on loopback that nothing listens on."""
    ports: list[int] = []
    with ExitStack() as held:
        while len(ports) < count:
            port = FIRST + secrets.randbelow(LAST - FIRST)
            with suppress(OSError):
                held.enter_context(socket.create_server(("127.0.0.1", port)))
                ports.append(port)
    return ports


def free_port() -> int:
    """A port on loopback that nothing listens on."""
    return free_ports(1)[0]
