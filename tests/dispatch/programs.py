"""Programs that tests start and end: a dispatcher, and the simulator."""

from __future__ import annotations

import asyncio
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from tempfile import TemporaryDirectory

from domain.dispatch.rules import Stage
from tests.dispatch.parts import QUICK, eventually
from tests.providers.simulated import Simulated, account_at


@asynccontextmanager
async def simulator_program() -> AsyncIterator[Simulated]:
    """A simulator in a program of its own, with an account at it."""
    with TemporaryDirectory() as data:
        command = ("ibiki", "simulate", "--port", "0", "--data", data)
        async with _program(*command) as (_, announced):
            base_url = announced.split()[-1].removesuffix(".")
            deadline_seconds = QUICK.deadline_seconds
            async with account_at(base_url, deadline_seconds=deadline_seconds) as simulated:
                yield simulated


@asynccontextmanager
async def dispatcher(
    database_url: str, base_url: str, *, dies_at: Stage | None = None, stops_at: Stage | None = None
) -> AsyncIterator[Process]:
    """A dispatcher in a program of its own, which runs until the stage is reached."""
    named = [dies_at.value, "SIGKILL"] if dies_at else []
    named += [stops_at.value, "SIGSTOP"] if stops_at else []
    async with _program("tests.dispatch.program", database_url, base_url, *named) as (program, _):
        yield program


async def stands_still(program: Process, *, seconds: float = 30.0) -> None:
    """Waits until the program has been stopped (proc(5): its state is T)."""

    async def is_stopped() -> bool:
        with open(f"/proc/{program.pid}/stat") as status:  # noqa: ASYNC230 - it is in memory
            return status.read().rpartition(")")[2].split()[0] == "T"

    await eventually(is_stopped, seconds=seconds)


async def dies(program: Process, *, seconds: float = 30.0) -> None:
    """Waits until the program has been killed. Fails if it ends otherwise."""
    async with asyncio.timeout(seconds):
        assert await program.wait() == -signal.SIGKILL


@asynccontextmanager
async def _program(module: str, *arguments: str) -> AsyncIterator[tuple[Process, str]]:
    """The program, and the first line that it has printed."""
    program = await asyncio.create_subprocess_exec(
        sys.executable, "-m", module, *arguments, stdout=PIPE
    )
    assert program.stdout is not None
    try:
        async with asyncio.timeout(30):
            line = await program.stdout.readline()
        yield program, line.decode().strip()
    finally:
        with suppress(ProcessLookupError):
            program.kill()
        await program.wait()
