"""Slow subscribers of a feed: limited memory, all events while connected, closed if stalled."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import httpx

from domain import ids
from domain.identity.access import OfClient
from domain.ids import Kind, new_id
from domain.inbox.inbound import deliver
from domain.inbox.messages import NewInbound
from domain.live.subscriptions import FEED_BYTES
from ibiki.http.websocket import TOO_SLOW, WAITING_BYTES
from ibiki.live.sse import EventStream
from ibiki.live.subscribing import SocketRules
from persistence import store
from tests.inbox import post
from tests.installations import App
from tests.live.server import FakeAuthenticator, Server, client, eventually, server
from tests.live.test_crowds import SlowClient, sockets_of
from tests.live.test_sse import Events

INBOUND = "subscription ($since: ID) { inboundMessage(since: $since) { id text } }"
LONG = 20_000
MESSAGES = 400
MESSAGE_ID = re.compile(rb'"id":"(msg_[0-9a-z]{26})"')


async def receive_many(people: App, count: int, text: str) -> list[str]:
    """Messages to the owner, in its inbox; their ids in order of the feed."""
    arrivals = [
        NewInbound(new_id(), people.owner.client_id, post.PHONE, text, datetime.now(UTC))
        for _ in range(count)
    ]
    async with store.transaction() as tx:
        await deliver(store, tx, arrivals)
    return [ids.encode(Kind.MESSAGE, each.id) for each in arrivals]


@asynccontextmanager
async def stalled_reader(
    people: App, authenticator: FakeAuthenticator, send_seconds: float
) -> AsyncIterator[tuple[Server, SlowClient, list[str]]]:
    """A reader that has requested a long feed from its beginning, and reads nothing."""
    keys = await receive_many(people, MESSAGES, "x" * LONG)
    rules = SocketRules(send_seconds=send_seconds)
    async with server(people.installation, authenticator, rules=rules) as running:
        slow = await asyncio.to_thread(SlowClient, running, INBOUND, "owner", since=keys[0])
        await eventually(lambda: any(each.operations for each in sockets_of(running)))
        yield running, slow, keys[1:]


def waiting_bytes(running: Server) -> int:
    """What waits in this process for the only socket."""
    [held] = sockets_of(running)
    backlogs = [each._pending for each in held.operations.values() if each._pending]
    return held.connection.transport.get_write_buffer_size() + sum(each._bytes for each in backlogs)


def keys_in(arrived: bytes) -> list[str]:
    return [key.decode() for key in MESSAGE_ID.findall(arrived)]


async def test_a_slow_reader_costs_little_and_misses_nothing(
    people: App, authenticator: FakeAuthenticator
) -> None:
    async with stalled_reader(people, authenticator, 60.0) as (running, slow, keys):
        [held] = sockets_of(running)
        operation = held.operations["1"]
        await eventually(lambda: not operation.has_capacity)
        assert waiting_bytes(running) <= WAITING_BYTES + FEED_BYTES + 3 * LONG
        keys += await receive_many(people, 20, "y" * LONG)
        assert waiting_bytes(running) <= WAITING_BYTES + FEED_BYTES + 3 * LONG
        reading = asyncio.create_task(asyncio.to_thread(slow.read_to_the_end))
        last = await store.last_in_feed(OfClient(people.owner.client_id))
        await eventually(
            lambda: operation.position is not None and operation.position.number == last
        )
        await eventually(lambda: held.connection.transport.get_write_buffer_size() == 0)
        held.close(1000, "enough")
        assert keys_in(await reading) == keys


async def test_a_slow_reader_of_server_sent_events_gets_all_of_a_feed(
    people: App, authenticator: FakeAuthenticator
) -> None:
    keys = await receive_many(people, MESSAGES, "x" * LONG)
    headers = {"accept": "text/event-stream", "authorization": "Bearer owner"}
    given = {"query": INBOUND, "variables": {"since": keys[0]}}
    async with (
        server(people.installation, authenticator) as running,
        httpx.AsyncClient(timeout=30) as http,
    ):
        url = f"{running.url}/graphql"
        async with http.stream("POST", url, headers=headers, json=given) as response:
            events = Events(response)
            await eventually(lambda: running.live.hub.count == 1)
            [stream] = running.live.hub._streams.values()
            [reader] = stream.subscribers
            assert isinstance(reader, EventStream)
            await eventually(lambda: not reader.has_capacity)
            assert reader._pending._bytes <= FEED_BYTES + LONG + 100
            arrived = [(await events.delivered())["id"] for _ in keys[1:]]
    assert arrived == keys[1:]


async def test_a_stalled_reader_is_closed_and_continues_at_its_position(
    people: App, authenticator: FakeAuthenticator
) -> None:
    async with stalled_reader(people, authenticator, 0.5) as (running, slow, keys):
        await eventually(lambda: not sockets_of(running))
        ending = await asyncio.to_thread(slow.read_to_the_end)
        assert TOO_SLOW.to_bytes(2, "big") in ending
        arrived = keys_in(ending)
        assert arrived == keys[: len(arrived)]
        assert 0 < len(arrived) < len(keys)
        assert running.live.hub.count == 0
    async with (
        server(people.installation, authenticator) as patient,
        client(patient, "owner", max_size=None) as reader,
    ):
        await reader.subscribe(INBOUND, since=arrived[-1])
        for key in keys[len(arrived) :]:
            assert (await reader.delivered())["id"] == key
