"""Collects the hints of a transaction, and passes them to the listeners after its commit.

Hints are noted next to the statements that write the rows, so that no operation can forget them.
They are published outside of the transaction: measured, a NOTIFY inside makes it ten times slower.
`PostgresCarrier` carries them between processes on a connection of its own, by LISTEN and NOTIFY.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import TYPE_CHECKING, TypeAlias

import asyncpg

from domain.live.hints import ACCOUNT, BELOW, POOL, Topic
from persistence.servers import credentials, reach

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

    from domain.ledger.book import Holding

    Connection: TypeAlias = PoolConnectionProxy[asyncpg.Record]

Listener = Callable[[Collection[Topic]], None]
"""Receives the topics that changed, right after the commit. It must not block."""

log = logging.getLogger("ibiki.hints")
_listeners: list[Listener] = []
_noted: dict[Connection, set[Topic]] = {}


def note(tx: Connection, topics: Iterable[Topic]) -> None:
    """Notes changes: published after the commit, or at once if no transaction is open."""
    noted = _noted.get(tx)
    if noted is None:
        _publish(set(topics))
    else:
        noted.update(topics)


def topics_of(holding: Holding) -> Iterator[Topic]:
    """The topics of a changed holding."""
    yield ACCOUNT + holding.account_id.bytes
    if holding.parent_id is not None:
        yield BELOW + holding.parent_id.bytes
    yield POOL + holding.provider_account_id.bytes


def listen(listener: Listener) -> Callable[[], None]:
    """Adds a listener to all changes of this process. Returns the function that removes it."""
    _listeners.append(listener)
    return lambda: _listeners.remove(listener)


class PublishAfterwards:
    """Wraps a transaction: the hints noted in it are published when it has ended.

    Also if it failed: after a lost connection the commit may have happened, and a needless hint
    costs only one read.
    """

    __slots__ = ("_tx",)

    def __init__(self, tx: Connection) -> None:
        self._tx = tx

    def __enter__(self) -> None:
        _noted[self._tx] = set()

    def __exit__(self, *_: object) -> None:
        noted = _noted.pop(self._tx)
        if noted:
            _publish(noted)


def _publish(topics: Collection[Topic]) -> None:
    for listener in tuple(_listeners):
        try:
            listener(topics)
        except Exception:
            log.exception("a listener to hints failed")


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
