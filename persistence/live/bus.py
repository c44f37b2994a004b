"""Carries short texts between processes through PostgreSQL: LISTEN and NOTIFY.

On a connection of its own, never in a transaction that does anything else: a NOTIFY in the
transaction that charges makes it a tenth as fast.
"""

from __future__ import annotations

from collections.abc import Callable

import asyncpg

from persistence.database import credentials

NOTIFY = "SELECT pg_notify($1, $2)"
SETTINGS = {
    "application_name": "ibiki bus",
    # A text that a crash loses was about a commit that it did not lose: whoever missed it looks.
    "synchronous_commit": "off",
    "jit": "off",
}


class PostgresCarrier:
    """One connection, for what is said and what is heard. At most 7,999 bytes a text."""

    def __init__(self, url: str, *, timeout_seconds: float = 3.0) -> None:
        self._url = url
        self._timeout_seconds = timeout_seconds
        self._connection: asyncpg.Connection[asyncpg.Record] | None = None

    async def open(
        self, channel: str, heard: Callable[[str], None], lost: Callable[[], None]
    ) -> None:
        """Hears the channel from here on, and says once when that has ended."""
        timeout = self._timeout_seconds
        connection = await asyncpg.connect(
            **credentials(self._url),
            timeout=timeout,
            command_timeout=timeout,
            server_settings=SETTINGS,
        )
        self._connection = connection
        connection.add_termination_listener(lambda _: lost())
        await connection.add_listener(channel, lambda _c, _p, _channel, text: heard(str(text)))

    async def send(self, channel: str, text: str) -> None:
        """Everybody who hears the channel is told, this process too. One at a time."""
        if self._connection is None:
            raise ConnectionError("not open")
        await self._connection.execute(NOTIFY, channel, text)

    async def close(self) -> None:
        """Hears nothing more."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()
