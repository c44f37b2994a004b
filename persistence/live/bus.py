"""Carries short texts between processes through PostgreSQL: LISTEN and NOTIFY.

It has a connection of its own. NOTIFY must never be part of a charging transaction: measured, that
makes it ten times slower.
"""

from __future__ import annotations

from collections.abc import Callable

import asyncpg

from persistence.servers import credentials, reach

NOTIFY = "SELECT pg_notify($1, $2)"
SETTINGS = {
    "application_name": "ibiki bus",
    # A crash may lose a hint, never the change itself: readers find the change without it.
    "synchronous_commit": "off",
    "jit": "off",
}


class PostgresCarrier:
    """One connection to publish and receive. A text has at most 7,999 bytes."""

    def __init__(self, url: str, *, timeout_seconds: float = 3.0) -> None:
        self._url = url
        self._timeout_seconds = timeout_seconds
        self._connection: asyncpg.Connection[asyncpg.Record] | None = None

    async def open(
        self, channel: str, receive: Callable[[str], None], lost: Callable[[], None]
    ) -> None:
        """Receives from the channel from now on. Calls `lost` once if that ends."""
        timeout = self._timeout_seconds
        connection = await reach(
            **credentials(self._url),
            timeout=timeout,
            command_timeout=timeout,
            server_settings=SETTINGS,
        )
        self._connection = connection
        connection.add_termination_listener(lambda _: lost())
        await connection.add_listener(channel, lambda _c, _p, _channel, text: receive(str(text)))

    async def send(self, channel: str, text: str) -> None:
        """Sends a text to everybody on the channel, this process included. One call at a time."""
        if self._connection is None:
            raise ConnectionError("not open")
        await self._connection.execute(NOTIFY, channel, text)

    async def close(self) -> None:
        """Receives nothing more."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()
