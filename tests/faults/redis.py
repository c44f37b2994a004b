"""A Redis that a test can kill and empty, if it is installed. The programs' bus uses it."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from tests.faults.programs import Program
from tests.ports import free_port

FLUSH = b"FLUSHALL\r\n"
FLUSHED = b"+OK\r\n"


class Redis:
    """`why_not`: why there is none. None if there is one. Without Redis, the bus is PostgreSQL."""

    def __init__(self, directory: Path, *, wanted: bool = True) -> None:
        self.port = free_port()
        self.why_not: str | None = None
        self.programs: Sequence[Program] = ()
        if not wanted:
            self.why_not = "this run does not use Redis"
            return
        if (command := shutil.which("redis-server")) is None:
            self.why_not = "redis-server is not installed"
            return
        arguments = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", ""]
        environment = {"PATH": os.defpath}
        log = directory / "redis.log"
        self.programs = [Program("redis", [command, *arguments], environment, log)]

    def settings(self, port: int) -> dict[str, str]:
        """The settings of programs that reach it at this port. Empty without a port."""
        return {"REDIS_URL": f"redis://127.0.0.1:{port}/0"} if self.programs else {}

    async def flush(self) -> None:
        """Deletes all its data."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(FLUSH)
        assert await reader.readline() == FLUSHED
        writer.close()
        await writer.wait_closed()

    def kill(self, *, stays_down: bool = False) -> None:
        """kill -9. It is started again at once, unless it has to stay down until `let_up`."""
        for program in self.programs:
            program.kill(stays_down=stays_down)

    def let_up(self) -> None:
        """Allows it to be started again."""
        for program in self.programs:
            program.let_up()
