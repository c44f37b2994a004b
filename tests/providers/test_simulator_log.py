"""The log of the simulator survives its end, also a kill."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import orjson
import pytest

from domain.provider import Accepted, NotSent, Outcome, OutgoingMessage
from ibiki.processes import SIMULATOR_STATE, stop_signal
from providers.simulator import request_log
from providers.simulator.request_log import LOG_NAME, DirectoryInUse, LoggedMessage, RequestLog
from tests.clocks import PATIENCE_SECONDS
from tests.dispatch.parts import eventually
from tests.providers.simulated import Simulated, account_at, simulated

ROOT = Path(__file__).parents[2]
BATCH = [OutgoingMessage(f"+120255501{position:02d}", "Hello") for position in range(50)]


async def started(data: Path) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "ibiki", "simulate", "--port", "0", "--data", str(data),
        cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip


@asynccontextmanager
async def separate_program(
    data: Path,
) -> AsyncIterator[tuple[asyncio.subprocess.Process, Simulated]]:
    program = await started(data)
    try:
        assert program.stdout is not None
        announced = (await asyncio.wait_for(program.stdout.readline(), 60)).decode()
        base_url = announced.split()[-1].removesuffix(".")
        async with account_at(base_url) as simulator:
            yield program, simulator
    finally:
        if program.returncode is None:
            program.kill()
        await program.communicate()


@contextmanager
def inherited(handler: signal.Handlers) -> Iterator[None]:
    """What started programs do on SIGHUP. With `nohup make test`, they would ignore it."""
    before = signal.signal(signal.SIGHUP, handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, before)


async def test_every_answered_message_is_in_the_log_after_a_kill(tmp_path: Path) -> None:
    answered: list[Outcome] = []

    async def send_on(simulator: Simulated) -> None:
        while True:
            outcomes = await simulator.provider.send_many(BATCH)
            if not all(isinstance(outcome, Accepted) for outcome in outcomes):
                return
            answered.extend(outcomes)

    async with separate_program(tmp_path) as (program, simulator):
        await simulator.control("balance", balance=1_000_000)
        senders = [asyncio.ensure_future(send_on(simulator)) for _ in range(4)]
        await simulator.has_seen(30)
        os.kill(program.pid, signal.SIGKILL)
        await asyncio.gather(*senders)

    async with separate_program(tmp_path) as (_, simulator):
        taken = {
            message["id"]
            for request in await simulator.log()
            for message in request["messages"]
            if message["took"]
        }
        references = {outcome.reference for outcome in answered if isinstance(outcome, Accepted)}
        assert len(references) == len(answered) >= 50
        assert references <= taken
        # Only the calls that were open at the kill can be accepted and not answered.
        assert len(taken) - len(answered) in (0, 50, 100, 150, 200)
        assert await simulator.balance() == 1_000_000 - len(taken)
        assert [request["seq"] for request in await simulator.log()] == list(
            range(1, len(await simulator.log()) + 1)
        )
        assert isinstance(await simulator.provider.send(BATCH[0]), Accepted)


@pytest.mark.parametrize("torn", [b'{"kind":"requ', b'{"kind":"request","seq":2}', b"\x00" * 5000])
async def test_an_incomplete_last_line_is_removed(tmp_path: Path, torn: bytes) -> None:
    async with simulated(tmp_path) as simulator:
        await simulator.provider.send_many(BATCH)
    with (tmp_path / LOG_NAME).open("ab") as log:
        log.write(torn)
    async with simulated(tmp_path) as simulator:
        await simulator.provider.send(BATCH[0])
        assert [request["seq"] for request in await simulator.log()] == [1, 2]
        assert await simulator.balance() == 1000 - 51


async def test_the_opening_balance_is_used_only_for_a_new_directory(tmp_path: Path) -> None:
    async with simulated(tmp_path, balance=10) as simulator:
        await simulator.provider.send(BATCH[0])
        await simulator.control("balance", add=5)
    async with simulated(tmp_path, balance=777) as simulator:
        assert await simulator.control("balance") == {
            "balance": 14, "opening": 10, "added": 5, "taken": 1, "requests": 1, "open": 0,
        }  # fmt: skip


async def test_two_simulators_cannot_use_one_directory(tmp_path: Path) -> None:
    directory = tmp_path / SIMULATOR_STATE
    async with simulated(directory):
        with pytest.raises(DirectoryInUse):
            RequestLog(directory, opening_balance=1)
        program = await started(tmp_path)
        stdout, stderr = await program.communicate()
        assert (program.returncode, stdout) == (1, b"")
        assert stderr.startswith(b"Another simulator is running in ")
        assert b"Traceback" not in stderr
    RequestLog(directory, opening_balance=1).close()


async def test_without_a_directory_nothing_is_kept() -> None:
    async with simulated() as simulator:
        await simulator.provider.send(BATCH[0])
    async with simulated() as simulator:
        assert await simulator.log() == []


def message(took: bool) -> LoggedMessage:
    return LoggedMessage(
        recipient="+12025550100", text="x", took=took, id="a" * 24 if took else None
    )


def write_to_full_disk(file: int, line: bytes) -> None:
    os.write(file, line[:20])
    raise OSError(28, "No space left on device")


def test_a_request_that_could_not_be_written_is_not_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = RequestLog(tmp_path, opening_balance=10)
    with monkeypatch.context() as disk:
        disk.setattr(request_log, "_write_whole", write_to_full_disk)
        with pytest.raises(OSError, match="No space"):
            log.add_request({"path": "/"}, [message(took=True)])
    assert (log.balance, log.requests) == (10, 0)
    log.add_request({"path": "/"}, [message(took=True)])
    assert (log.balance, [orjson.loads(line)["seq"] for line in log.lines()]) == (9, [1])
    log.close()


async def test_a_simulator_with_a_full_disk_says_that_it_accepts_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with simulated() as simulator:
        with monkeypatch.context() as disk:
            disk.setattr(request_log, "_write_whole", write_to_full_disk)
            refused = await simulator.provider.send(BATCH[0])
        taken = await simulator.provider.send(BATCH[0])
    assert isinstance(refused, NotSent)
    assert isinstance(taken, Accepted)
    [line] = [each for each in caplog.records if each.levelno >= logging.ERROR]
    assert "accepts nothing: [Errno 28] No space left" in line.getMessage()
    assert line.exc_info is None


def test_a_message_that_was_not_accepted_costs_nothing(tmp_path: Path) -> None:
    log = RequestLog(tmp_path, opening_balance=10)
    log.add_request({"path": "/"}, [message(took=False), message(took=True)])
    assert (log.balance, log.accepted) == (9, 1)
    log.close()


def test_only_the_latest_ids_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_log, "REMEMBERED_IDS", 3)
    log = RequestLog(tmp_path, opening_balance=10)
    for position in range(5):
        log.add_request({"path": "/"}, [{**message(took=True), "id": str(position)}])
    assert list(log.accepted_at) == ["2", "3", "4"]
    log.close()


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_the_program_stops_cleanly_on_a_signal(tmp_path: Path, stop: signal.Signals) -> None:
    with inherited(signal.SIG_DFL):
        async with separate_program(tmp_path) as (program, _):
            program.send_signal(stop)
            assert await asyncio.wait_for(program.wait(), PATIENCE_SECONDS) == 0


async def test_a_second_ctrl_c_is_left_to_the_system_unless_it_comes_at_once() -> None:
    """`timeout` and process managers signal a process and its group: that is one signal."""
    before = signal.getsignal(signal.SIGINT)

    async def is_left() -> bool:
        return {*map(signal.getsignal, (signal.SIGINT, signal.SIGTERM))} == {signal.SIG_DFL}

    try:
        with stop_signal() as stop:
            os.kill(os.getpid(), signal.SIGINT)
            await asyncio.wait_for(stop.wait(), PATIENCE_SECONDS)
            assert signal.getsignal(signal.SIGINT) is not signal.SIG_DFL
            os.kill(os.getpid(), signal.SIGINT)
            await eventually(is_left)
    finally:
        signal.signal(signal.SIGINT, before)


async def test_a_program_that_was_started_with_nohup_ignores_a_closed_terminal(
    tmp_path: Path,
) -> None:
    with inherited(signal.SIG_IGN):
        async with separate_program(tmp_path) as (program, _):
            program.send_signal(signal.SIGHUP)
            ending = asyncio.create_task(program.wait())
            await asyncio.wait({ending}, timeout=0.5)
            assert not ending.done()
            program.send_signal(signal.SIGTERM)
            assert await asyncio.wait_for(ending, PATIENCE_SECONDS) == 0
