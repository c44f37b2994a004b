"""The fault proxy does what is set for each connection, and nothing else."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from tests.clocks import PATIENCE_SECONDS
from tests.faults.conditions import FAIR, Conditions, Cut, Direction, End
from tests.faults.proxy import Address, ConnectionCut, FaultProxy, Interceptor, proxying

QUIET_SECONDS = 0.15
"""How long nothing may come before it counts as silence: loopback answers in a millisecond."""


@asynccontextmanager
async def far_end(address: Address) -> AsyncIterator[Address]:
    """A server that echoes what it receives, and closes after the caller has finished."""
    ended: list[asyncio.Event] = []

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ended.append(asyncio.Event())
        own = ended[-1]
        with suppress(OSError):
            while chunk := await reader.read(1024):
                writer.write(chunk)
                await writer.drain()
        writer.transport.abort()
        with suppress(OSError):
            await writer.wait_closed()
        own.set()

    if isinstance(address, Path):
        server = await asyncio.start_unix_server(echo, address)
    else:
        server = await asyncio.start_server(echo, *address)
        address = server.sockets[0].getsockname()
    yield address
    server.close()
    async with asyncio.timeout(PATIENCE_SECONDS):
        for each in ended:
            await each.wait()


@pytest.fixture(params=["tcp", "unix"])
async def proxy(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[FaultProxy]:
    is_tcp = request.param == "tcp"
    free: Address = ("127.0.0.1", 0)
    async with (
        far_end(free if is_tcp else tmp_path / "far") as address,
        proxying(address, at=free if is_tcp else tmp_path / "near", seed=1) as opened,
    ):
        yield opened


class Caller:
    """A client that connects through the proxy."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def reply_to(self, data: bytes) -> bytes:
        """Sends bytes and returns the echo: less of it if the connection ends."""
        self.writer.write(data)
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                return await self.reader.readexactly(len(data))
        except asyncio.IncompleteReadError as cut_off:
            return cut_off.partial
        except ConnectionError:
            return b""

    async def receives_nothing(self, data: bytes) -> bool:
        """Whether neither a byte nor the end of the connection comes back."""
        self.writer.write(data)
        try:
            async with asyncio.timeout(QUIET_SECONDS):
                await self.reader.read(1)
        except TimeoutError:
            return True
        return False


@asynccontextmanager
async def calling(proxy: FaultProxy) -> AsyncIterator[Caller]:
    if isinstance(proxy.address, Path):
        streams = await asyncio.open_unix_connection(proxy.address)
    else:
        streams = await asyncio.open_connection(*proxy.address)
    try:
        yield Caller(*streams)
    finally:
        streams[1].transport.abort()
        with suppress(OSError):
            await streams[1].wait_closed()


async def test_without_faults_all_bytes_pass_both_ways(proxy: FaultProxy) -> None:
    async with calling(proxy) as caller:
        data = bytes(range(256)) * 4096
        assert await caller.reply_to(data) == data
        caller.writer.write_eof()
        assert await caller.reader.read() == b""
    assert proxy.taken == 1


async def test_a_late_connection_is_late_by_the_requested_time(proxy: FaultProxy) -> None:
    async with calling(proxy) as caller:
        proxy.conditions = Conditions(late_seconds=0.1, jitter_seconds=0.05)
        began = time.monotonic()
        assert await caller.reply_to(b"hello") == b"hello"
        assert time.monotonic() - began >= 0.2, "0.1 s up and 0.1 s down"


async def test_a_connection_is_cut_after_so_many_bytes(proxy: FaultProxy) -> None:
    async with calling(proxy) as caller:
        assert await caller.reply_to(b"before") == b"before"
        proxy.conditions = Conditions(cut=Cut(range(3, 4), End.CLOSE))
        assert await caller.reply_to(b"hello") == b"hel"
    async with calling(proxy) as caller:
        assert await caller.reply_to(b"again") == b"aga", "and each new one, too"


async def test_a_connection_is_reset_after_so_many_bytes(proxy: FaultProxy) -> None:
    proxy.conditions = Conditions(cut=Cut(range(3, 4), End.RESET))
    async with calling(proxy) as caller:
        if isinstance(proxy.address, Path):
            # A Unix socket has no reset: it ends, and bytes under way are lost.
            assert await caller.reply_to(b"hello") in (b"", b"hel")
        else:
            caller.writer.write(b"hello")
            with pytest.raises(ConnectionResetError):
                await caller.reader.read()


async def test_a_cut_request_arrives_only_in_part(proxy: FaultProxy) -> None:
    proxy.conditions = Conditions(cut=Cut(range(3, 4), End.HALF, Direction.UP))
    async with calling(proxy) as caller:
        assert await caller.reply_to(b"hello") == b"hel", (
            "the far end received no more, and then the end"
        )


async def test_a_caller_whose_connection_is_half_closed_can_still_write(
    proxy: FaultProxy,
) -> None:
    proxy.conditions = Conditions(cut=Cut(range(3, 4), End.HALF))
    async with calling(proxy) as caller:
        assert await caller.reply_to(b"hello") == b"hel"
        assert await caller.reader.read() == b""
        caller.writer.write(b"more")
        await caller.writer.drain()
        assert proxy.open_connections == 1


async def test_data_sent_into_a_black_hole_is_lost(proxy: FaultProxy) -> None:
    async with calling(proxy) as swallowed, calling(proxy) as untouched:
        assert await swallowed.reply_to(b"before") == b"before"
        assert await untouched.reply_to(b"before") == b"before"
        proxy.conditions = Conditions(black_hole=True)
        assert await swallowed.receives_nothing(b"hello")
        async with calling(proxy) as new:
            assert await new.receives_nothing(b"hello")
            proxy.conditions = FAIR
            assert await new.receives_nothing(b"still there?")
        assert await swallowed.receives_nothing(b"still there?")
        assert await untouched.reply_to(b"hello") == b"hello"


async def test_stalled_data_arrives_after_the_fault_ends(proxy: FaultProxy) -> None:
    async with calling(proxy) as caller:
        assert await caller.reply_to(b"before") == b"before"
        proxy.conditions = Conditions(stalls=True)
        assert await caller.receives_nothing(b"hel")
        proxy.conditions = FAIR
        assert await caller.reply_to(b"lo...") == b"hello"


async def test_new_connections_are_refused_and_open_ones_are_not(proxy: FaultProxy) -> None:
    async with calling(proxy) as caller:
        assert await caller.reply_to(b"before") == b"before"
        proxy.conditions = Conditions(refuses=True)
        assert await caller.reply_to(b"after") == b"after"
        assert await _reply_to_one_caller(proxy) == b""


@pytest.mark.parametrize("end", [End.CLOSE, End.RESET])
async def test_every_open_connection_can_be_ended_at_once(proxy: FaultProxy, end: End) -> None:
    async with calling(proxy) as one, calling(proxy) as other:
        assert await one.reply_to(b"1") == await other.reply_to(b"1") == b"1"
        assert proxy.end_all(end) == 2
        assert await one.reply_to(b"hello") == await other.reply_to(b"hello") == b""
    assert await _reply_to_one_caller(proxy) == b"hello"


async def test_a_connection_that_has_lost_bytes_carries_no_more(
    proxy: FaultProxy,
) -> None:
    async with calling(proxy) as caller:
        assert await caller.reply_to(b"before") == b"before"
        assert proxy.end_all(End.SWALLOWED) == 1
        assert await caller.receives_nothing(b"hello")
        assert await _reply_to_one_caller(proxy) == b"hello"


async def test_keepalive_resets_a_lost_connection_at_both_ends() -> None:
    async with (
        far_end(("127.0.0.1", 0)) as address,
        proxying(address, keepalive_seconds=2 * QUIET_SECONDS) as proxy,
        calling(proxy) as caller,
    ):
        assert await caller.reply_to(b"before") == b"before"
        proxy.conditions = Conditions(black_hole=True)
        assert await caller.receives_nothing(b"hello")
        assert await caller.reply_to(b"") == b""
        with pytest.raises(ConnectionResetError):
            await caller.reader.read()


async def test_a_share_of_connections_is_affected_and_a_seed_always_chooses_the_same(
    tmp_path: Path,
) -> None:
    async def arrived() -> list[bytes]:
        async with (
            far_end(("127.0.0.1", 0)) as address,
            proxying(address, seed=42) as proxy,
        ):
            proxy.conditions = Conditions(cut=Cut(range(5), End.CLOSE), share=0.5)
            return [await _reply_to_one_caller(proxy) for _ in range(20)]

    first = await arrived()
    assert 0 < first.count(b"hello") < 20
    assert len(set(first)) > 2
    assert await arrived() == first


async def test_an_interceptor_sees_both_directions_and_can_end_the_connection() -> None:
    seen: list[tuple[Direction, bytes]] = []

    class Recording(Interceptor):
        async def up(self, chunk: bytes) -> bytes:
            seen.append((Direction.UP, chunk))
            if chunk == b"end":
                raise ConnectionCut
            return chunk.upper()

        async def down(self, chunk: bytes) -> bytes:
            seen.append((Direction.DOWN, chunk))
            return chunk

    async with (
        far_end(("127.0.0.1", 0)) as address,
        proxying(address, interceptor=Recording) as proxy,
        calling(proxy) as caller,
    ):
        assert await caller.reply_to(b"hello") == b"HELLO"
        assert await caller.reply_to(b"end") == b""
    assert seen == [(Direction.UP, b"hello"), (Direction.DOWN, b"HELLO"), (Direction.UP, b"end")]


async def test_a_connection_to_a_missing_far_end_is_reset(tmp_path: Path) -> None:
    async with proxying(tmp_path / "nobody") as proxy:
        assert await _reply_to_one_caller(proxy) == b""


async def _reply_to_one_caller(proxy: FaultProxy) -> bytes:
    async with calling(proxy) as caller:
        return await caller.reply_to(b"hello")
