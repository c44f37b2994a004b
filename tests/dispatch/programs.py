"""Dispatchers in separate programs, which tests start and end."""

from __future__ import annotations

import asyncio
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from domain.dispatch.rules import Stage
from tests.clocks import PATIENCE_SECONDS
from tests.dispatch.parts import eventually


@asynccontextmanager
async def dispatcher(
    database_url: str, base_url: str, *, dies_at: Stage | None = None, stops_at: Stage | None = None
) -> AsyncIterator[Process]:
    """A dispatcher in a separate program, which runs until the stage is reached."""
    named = [dies_at.value, "SIGKILL"] if dies_at else []
    named += [stops_at.value, "SIGSTOP"] if stops_at else []
    program = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.dispatch.program", database_url, base_url, *named, stdout=PIPE
    )
    assert program.stdout is not None
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            await program.stdout.readline()  # It prints a line when it runs.
        yield program
    finally:
        with suppress(ProcessLookupError):
            program.kill()
        await program.wait()


async def stands_still(program: Process, *, seconds: float = PATIENCE_SECONDS) -> None:
    """Waits until the program has been stopped (proc(5): its state is T)."""

    async def is_stopped() -> bool:
        with open(f"/proc/{program.pid}/stat") as status:  # noqa: ASYNC230 - it is in memory
            return status.read().rpartition(")")[2].split()[0] == "T"

    await eventually(is_stopped, seconds=seconds)


async def dies(program: Process, *, seconds: float = PATIENCE_SECONDS) -> None:
    """Waits until the program has been killed. Fails if it ends otherwise."""
    async with asyncio.timeout(seconds):
        assert await program.wait() == -signal.SIGKILL
