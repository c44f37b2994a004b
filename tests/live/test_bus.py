"""The bus: published hints arrive after any disconnection, and publishing never waits or fails."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Collection, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from domain.ids import new_id
from domain.live import hints
from domain.live.hints import EVERYTHING, Topic
from ibiki.live.bus import (
    ALL,
    HEARTBEAT_SECONDS,
    MOST_TEXTS_WAITING,
    MOST_TOPICS_WAITING,
    WINDOW_SECONDS,
    Backend,
    Bus,
    Carrier,
    packed,
)
from ibiki.live.bus_redis import RedisCarrier
from ibiki.local import embedded
from persistence.connections import PostgresCarrier
from tests import databases
from tests.live.server import LocalCarrier, eventually


def topic() -> Topic:
    """A topic that no other test uses."""
    return hints.SEND + new_id().bytes


class ConnectedBus:
    """The bus of one process, and what it has received."""

    def __init__(self, carrier: Carrier) -> None:
        self.arrived: list[Topic] = []
        self.bus = Bus(carrier, self._hear)

    def _hear(self, topics: Collection[Topic]) -> None:
        self.arrived += topics

    def has(self, *topics: Topic) -> Callable[[], bool]:
        """Whether it has received these."""
        return lambda: set(topics) <= set(self.arrived)

    async def receives(self, *topics: Topic) -> None:
        """Waits until it has."""
        await eventually(self.has(*topics), 20)


@asynccontextmanager
async def connected_buses(*carriers: Carrier) -> AsyncIterator[list[ConnectedBus]]:
    """Each is connected, and has received its first EVERYTHING."""
    made = [ConnectedBus(each) for each in carriers]
    for each in made:
        await each.bus.start()
    try:
        for each in made:
            await each.receives(EVERYTHING)
            each.arrived.clear()
        yield made
    finally:
        for each in made:
            await each.bus.stop()


class Redis:
    """A Redis of this test's own, which can be killed and started again."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "redis.sock"
        self.url = f"unix://{self.path}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Starts it. Returns when it answers."""
        self._process = subprocess.Popen(
            ["redis-server", "--port", "0", "--unixsocket", str(self.path), "--save", ""],
            cwd=self.path.parent,
            stdout=subprocess.DEVNULL,
        )

    def kill(self) -> None:
        """kill -9."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()


@pytest.fixture
def redis() -> Iterator[Redis]:
    if shutil.which("redis-server") is None:
        pytest.skip("redis-server is not installed: .ci/run installs it")
    # The path of a socket may have 107 characters. Those in pytest's directories are longer.
    with tempfile.TemporaryDirectory(prefix="ibiki-redis-") as name:
        made = Redis(Path(name))
        made.start()
        yield made
        made.kill()


async def test_texts_within_one_process_are_delivered() -> None:
    async with connected_buses(LocalCarrier()) as [only]:
        published = topic()
        only.bus.publish({published})
        await only.receives(published)


async def test_through_postgresql_all_processes_receive_what_each_publishes(
    database_url: str,
) -> None:
    carriers = [PostgresCarrier(database_url), PostgresCarrier(database_url)]
    async with connected_buses(*carriers) as [one, other]:
        few, many = topic(), {topic() for _ in range(5_000)}
        one.bus.publish({few})
        await one.receives(few)
        await other.receives(few)
        other.bus.publish(many)
        await one.receives(*many)


async def test_connections_of_postgresql_may_be_cut(
    database_url: str, database_server: embedded.EmbeddedDatabase
) -> None:
    carriers = [PostgresCarrier(database_url), PostgresCarrier(database_url)]
    async with connected_buses(*carriers) as [one, other]:
        for _ in range(3):
            one.arrived.clear()
            other.arrived.clear()
            published = topic()
            await cut(database_server, database_url)
            one.bus.publish({published})
            await one.receives(EVERYTHING, published)
            await other.receives(EVERYTHING)
            published_after = topic()
            one.bus.publish({published_after})
            await other.receives(published_after)


async def test_a_cut_connection_is_noticed_at_once(
    database_url: str, database_server: embedded.EmbeddedDatabase
) -> None:
    carrier, lost = PostgresCarrier(database_url), asyncio.Event()
    await carrier.open("channel", lambda _: None, lost.set)
    await cut(database_server, database_url)
    async with asyncio.timeout(HEARTBEAT_SECONDS):
        await lost.wait()
    await carrier.close()


async def test_through_redis_all_processes_receive_what_each_publishes(redis: Redis) -> None:
    async with connected_buses(RedisCarrier(redis.url), RedisCarrier(redis.url)) as [one, other]:
        few, many = topic(), {topic() for _ in range(5_000)}
        one.bus.publish({few})
        await one.receives(few)
        await other.receives(few)
        other.bus.publish(many)
        await one.receives(*many)


async def test_redis_may_be_killed_and_started_again(redis: Redis) -> None:
    async with connected_buses(RedisCarrier(redis.url), RedisCarrier(redis.url)) as [one, other]:
        redis.kill()
        published = topic()
        one.bus.publish({published})  # waits, and neither blocks nor raises
        await eventually(lambda: not one.bus.is_open and not other.bus.is_open, 20)
        redis.start()
        await one.receives(EVERYTHING, published)
        await other.receives(EVERYTHING)
        published_after = topic()
        other.bus.publish({published_after})
        await one.receives(published_after)
        await other.receives(published_after)


async def test_a_bus_starts_although_its_carrier_is_unavailable(
    redis: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="ibiki.bus")
    redis.kill()
    connected = ConnectedBus(RedisCarrier(redis.url))
    await connected.bus.start()
    published = topic()
    connected.bus.publish({published})
    await eventually(lambda: bool(connected.bus._waiting))
    redis.start()
    await connected.receives(EVERYTHING, published)
    await connected.bus.stop()
    assert [each.partition(":")[0] for each in caplog.messages] == [
        "the bus is not connected",
        "the bus is connected again",
    ]


class ScriptedCarrier:
    """A carrier that does what a test sets."""

    def __init__(self) -> None:
        self.opened = 0
        self.swallows = False
        self.refuses = False
        self.hangs = False
        self.carried: list[str] = []

    async def open(
        self, channel: str, arrived: Callable[[str], None], lost: Callable[[], None]
    ) -> None:
        self.opened += 1
        self.arrived = arrived
        self.lost = lost

    async def send(self, channel: str, text: str) -> None:
        if self.refuses:
            raise OSError("cut")
        if self.hangs:
            await asyncio.sleep(3600.0 / 2)
        self.carried.append(text)
        if not self.swallows:
            self.arrived(text)

    async def close(self) -> None:
        return None


async def test_hints_of_one_moment_are_published_together() -> None:
    carrier = ScriptedCarrier()
    async with connected_buses(carrier) as [connected]:
        published = [topic() for _ in range(100)]
        connected.bus.publish({published[0]})
        await connected.receives(published[0])
        began = time.monotonic()
        for each in published:
            connected.bus.publish({each})
            await asyncio.sleep(0)
        await connected.receives(*published)
        assert len(carrier.carried) <= 3 + (time.monotonic() - began) / WINDOW_SECONDS


async def test_hints_that_cannot_be_published_are_published_later() -> None:
    carrier = ScriptedCarrier()
    async with connected_buses(carrier) as [connected]:
        carrier.refuses = True
        published = topic()
        connected.bus.publish({published})
        await eventually(lambda: not connected.bus.is_open)
        carrier.refuses = False
        await connected.receives(EVERYTHING, published)


async def test_more_than_can_wait_becomes_everything() -> None:
    carrier = ScriptedCarrier()
    async with connected_buses(carrier) as [connected]:
        carrier.refuses = True
        connected.bus.publish(
            {hints.SEND + number.to_bytes(16) for number in range(MOST_TOPICS_WAITING + 1)}
        )
        carrier.refuses = False
        await connected.receives(EVERYTHING)
        await eventually(lambda: carrier.carried[-1:] == [ALL])


async def test_a_silent_carrier_is_opened_again() -> None:
    carrier = ScriptedCarrier()
    backend = Backend(carrier, heartbeat_seconds=0.05)
    await backend.connect()
    await backend.subscribe("channel")
    assert (await backend.next_published()).message == ALL
    await asyncio.sleep(0.2)
    assert carrier.opened == 1, "a carrier that answers is not opened again"
    carrier.swallows = True
    await eventually(lambda: carrier.opened > 1)
    assert (await backend.next_published()).message == ALL
    await backend.disconnect()


async def test_too_many_waiting_texts_become_everything() -> None:
    carrier = ScriptedCarrier()
    backend = Backend(carrier)
    await backend.connect()
    await backend.subscribe("channel")
    await backend.next_published()
    text = next(packed([topic()]))
    for _ in range(MOST_TEXTS_WAITING + 1):
        carrier.arrived(text)
    assert (await backend.next_published()).message == ALL
    assert not backend._events
    await backend.disconnect()


async def test_the_last_state_is_delivered_before_the_end() -> None:
    carrier = ScriptedCarrier()
    connected = ConnectedBus(carrier)
    await connected.bus.start()
    await connected.receives(EVERYTHING)
    published = topic()
    connected.bus.publish({published})
    await connected.bus.stop()
    assert next(packed([published])) in carrier.carried


async def cut(server: embedded.EmbeddedDatabase, url: str) -> None:
    """Ends the connections of all buses to a database."""
    name = url.partition("?")[0].rsplit("/", 1)[1]
    await databases.execute(
        server.superuser_url,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        f" WHERE application_name = 'ibiki bus' AND datname = '{name}'",
    )
