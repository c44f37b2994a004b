"""Long work does not block the event loop, and work of seconds runs in its own process."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from itertools import pairwise
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from domain.errors import InvalidFile, TryAgain
from domain.long_work import (
    NICENESS,
    TURN_SECONDS,
    SpacedWork,
    Steps,
    WorkFailed,
    framed,
    in_child,
    in_file_thread,
    in_steps,
    in_thread,
)
from tests.clocks import PATIENCE_SECONDS


async def test_one_list_and_one_file_are_read_at_a_time() -> None:
    names: set[str] = set()

    def work() -> None:
        names.add(threading.current_thread().name)
        time.sleep(0.005)

    for in_one in (in_thread, in_file_thread):
        await asyncio.gather(*(in_one(work) for _ in range(20)))
    assert names == {"lists_0", "files_0"}


async def test_a_list_does_not_wait_for_a_file() -> None:
    over = threading.Event()
    file = asyncio.create_task(in_file_thread(over.wait))
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            await in_thread(lambda: None)
        assert not file.done()
    finally:
        over.set()
        await file


async def test_turns_are_short_in_every_program_that_does_long_work() -> None:
    await in_thread(lambda: None)
    assert sys.getswitchinterval() == pytest.approx(TURN_SECONDS)


async def test_other_tasks_run_between_two_pieces_of_work() -> None:
    happened: list[str] = []
    spaced = SpacedWork()

    async def others() -> None:
        while happened.count("work") < 10:
            happened.append("turn of others")
            await asyncio.sleep(0)

    await asyncio.gather(
        *(spaced.run(lambda: happened.append("work")) for _ in range(10)), others()
    )
    works = [at for at, what in enumerate(happened) if what == "work"]
    assert all(later - earlier > 1 for earlier, later in pairwise(works)), happened


async def test_the_next_work_runs_after_one_that_failed() -> None:
    spaced = SpacedWork()
    with pytest.raises(ZeroDivisionError):
        await spaced.run(lambda: 1 / 0)
    assert await spaced.run(lambda: 1) == 1


def asks_twice(file: BinaryIO, first: str) -> Steps[list[Any]]:
    """Returns its answers, the content of the file, and the ID of its process."""
    file.seek(0)
    content = file.read().decode()
    return [(yield first), (yield content), os.getpid(), os.nice(0)]


def refuses(_: BinaryIO) -> Steps[None]:
    """Refuses after a question."""
    yield "may I?"
    raise InvalidFile("Line 3: the row cannot be read.", line=3)


def fails(_: BinaryIO) -> Steps[None]:
    """Has a defect."""
    yield 1 / 0


def is_killed(_: BinaryIO) -> Steps[None]:
    """Is killed, as if the system had no memory left."""
    os.kill(os.getpid(), signal.SIGKILL)
    yield None


async def upper(text: str) -> str:
    """Answers a question."""
    return text.upper()


async def test_work_gives_the_same_in_a_thread_and_in_a_separate_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pickle.py").write_text("raise SystemExit('not the module of Python')")
    with tempfile.TemporaryFile() as file:
        file.write(b"phone")  # not flushed
        here = await in_steps(asks_twice, file, "one", answer=upper)
        there = await in_child(asks_twice, file, "one", answer=upper)
    assert here[:2] == there[:2] == ["ONE", "PHONE"]
    assert here[2] == os.getpid() != there[2]
    assert there[3] == min(here[3] + NICENESS, 19)


async def test_a_refusal_of_another_process_is_raised_with_its_attributes() -> None:
    with tempfile.TemporaryFile() as file, pytest.raises(InvalidFile, match="Line 3") as refused:
        await in_child(refuses, file, answer=upper)
    assert refused.value.line == 3


async def test_a_defect_is_logged_and_after_a_killed_process_the_request_may_be_repeated() -> None:
    with tempfile.TemporaryFile() as file:
        with pytest.raises(WorkFailed, match="ZeroDivisionError"):
            await in_child(fails, file, answer=upper)
        with pytest.raises(TryAgain):
            await in_child(is_killed, file, answer=upper)


async def test_the_process_ends_with_the_request_that_needs_it() -> None:
    requested = asyncio.Event()
    ids: list[int] = []

    async def never(pid: int) -> None:
        ids.append(pid)
        requested.set()
        await asyncio.Event().wait()

    with tempfile.TemporaryFile() as file:
        request = asyncio.create_task(in_child(returns_its_id, file, answer=never))
        await requested.wait()
        request.cancel()
        await asyncio.gather(request, return_exceptions=True)
    with pytest.raises(ProcessLookupError):
        os.kill(ids[0], 0)


async def test_a_request_can_end_while_a_long_result_is_being_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    started: list[asyncio.subprocess.Process] = []
    start = asyncio.create_subprocess_exec

    async def starts(*arguments: str, **options: Any) -> asyncio.subprocess.Process:
        started.append(await start(*arguments, **options))
        return started[-1]

    monkeypatch.setattr(asyncio, "create_subprocess_exec", starts)
    with tempfile.TemporaryFile() as file:
        request = asyncio.create_task(in_child(returns_much, file, answer=upper))
        while not (started and _is_paused(started[0])):  # noqa: ASYNC110 - a thread changes it
            await asyncio.sleep(0)
        request.cancel()
        ended, _ = await asyncio.wait([request], timeout=60)
    assert ended
    assert request.cancelled()


def _is_paused(process: asyncio.subprocess.Process) -> bool:
    """Whether the loop has stopped reading the result because it is not consumed."""
    return bool(process.stdout._paused)  # type: ignore[union-attr]


def returns_much(_: BinaryIO) -> Steps[bytes]:
    """Returns more than a pipe and its reader can hold."""
    yield "may I?"
    return bytes(10_000_000)


def returns_its_id(_: BinaryIO) -> Steps[None]:
    """Asks a question that contains the ID of its process."""
    yield os.getpid()


def test_a_child_whose_parent_was_killed_ends_silently() -> None:
    child = subprocess.Popen(
        [sys.executable, "-m", "domain.child", "0"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert child.stdin is not None
    assert child.stdout is not None
    assert child.stderr is not None
    child.stdout.close()
    child.stdin.write(framed([returns_much, [], 0]))
    child.stdin.close()
    assert (child.stderr.read(), child.wait()) == (b"", 0)
    child.stderr.close()
