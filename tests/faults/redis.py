"""A Redis to be hurt, where there is one: what the programs' bus runs over then."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from tests.faults.programs import Program, free_port

FLUSH = b"FLUSHALL\r\n"
FLUSHED = b"+OK\r\n"


class Redis:
    """`why_not`: why there is none; None where there is. Without one the bus is PostgreSQL."""

    def __init__(self, directory: Path, *, wanted: bool = True) -> None:
        self.port = free_port()
        self.why_not: str | None = None
        self.programs: Sequence[Program] = ()
        if not wanted:
            self.why_not = "this run is to be without Redis"
            return
        if (command := shutil.which("redis-server")) is None:
            self.why_not = "redis-server is not installed"
            return
        arguments = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", ""]
        environment = {"PATH": os.defpath}
        log = directory / "redis.log"
        self.programs = [Program("redis", [command, *arguments], environment, log)]

    def settings(self, port: int) -> dict[str, str]:
        """The settings of programs that use it at this port. Empty without a port."""
        return {"REDIS_URL": f"redis://127.0.0.1:{port}/0"} if self.programs else {}

    async def flush(self) -> None:
        """It forgets all it knows."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(FLUSH)
        assert await reader.readline() == FLUSHED
        writer.close()
        await writer.wait_closed()

    def kill(self, *, stays_down: bool = False) -> None:
        """kill -9; it is started again at once, unless it is to stay down until `let_up`."""
        for program in self.programs:
            program.kill(stays_down=stays_down)

    def let_up(self) -> None:
        """It may run again."""
        for program in self.programs:
            program.let_up()
