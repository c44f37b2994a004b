"""The files that one send passes: to its commit, to its recorded outcome, and to a subscriber.

Counts the modules of our packages in which a function runs, in the real processes, by
`sys.setprofile`. Tasks that also run in an idle process are left out, and files that only some
of three sends pass: they belong to work that is done once a second, or for a new connection. The
first send of a process is not counted: it also compiles the document and reads the API key.
"""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from benchmarks.databases import Database, free_port, new_database, server, wait_for_port
from benchmarks.fanout import Listener
from benchmarks.load import ask_once
from benchmarks.measurement import Measurement
from benchmarks.provider import answering
from benchmarks.send import sends_of
from benchmarks.tenants import add_tenants
from tests.end_to_end.program import clean_environment

ROOT = Path(__file__).parents[1]
PACKAGES = ("domain", "ibiki", "persistence", "providers", "resolvers", "schema")
SETTLE_SECONDS = 2.0
"""Longer than the intervals of the loops that run often, so that a second trace excludes them."""

DISPATCH_TASKS = {"the queue poll", "dispatcher"}
UNNAMED = "Task-"
SENDS = 3

Trace = dict[str, set[str]]
"""The files of each task, by its name."""


def main() -> list[Measurement]:
    """Three counts and their sum. The files are printed, part by part."""
    with new_database() as db:
        [token] = asyncio.run(add_tenants(db.url, 1, units=1_000))
        parts = asyncio.run(_measure(db, token))
    for name, files in parts.items():
        sys.stderr.write(f"{name}: {len(files)}\n" + "".join(f"  {each}\n" for each in files))
    counts = [Measurement(name, len(files), "files") for name, files in parts.items()]
    return [*counts, Measurement("in sum", sum(map(len, parts.values())), "files")]


async def _measure(db: Database, token: str) -> dict[str, list[str]]:
    async with answering() as provider:
        with (
            server(db) as (_, other),
            _traced(db, "serve", "--port", str(port := free_port())) as web,
            _traced(db, "dispatch", **provider.environment) as dispatcher,
        ):
            await asyncio.to_thread(wait_for_port, port)
            for each in (port, other):
                await _send(each, token)
            await provider.has_taken(2, within_seconds=60)
            to_commit = await web.files_of(lambda: _send(port, token))

            async def submitted() -> None:
                taken = provider.taken
                await _send(other, token)
                await provider.has_taken(taken + 1, within_seconds=60)

            to_outcome = await dispatcher.files_of(submitted, DISPATCH_TASKS)
            frames: list[tuple[bytes, float]] = []
            loop = asyncio.get_running_loop()
            await loop.create_connection(lambda: Listener(token, frames), "127.0.0.1", port)

            async def delivered() -> None:
                known = len(frames)
                await _send(other, token)
                while len(frames) == known:  # noqa: ASYNC110 - another process sends it
                    await asyncio.sleep(0.005)

            await delivered()
            to_subscriber = await web.files_of(delivered)
    return {
        "socket to commit": to_commit,
        "queue to outcome": to_outcome,
        "outcome to subscriber": to_subscriber,
    }


async def _send(port: int, token: str) -> None:
    await ask_once(port, sends_of([token])(0), b'"__typename":"Send"')


class _Traced:
    """A traced process of the program."""

    def __init__(self, process: subprocess.Popen[bytes], file: Path) -> None:
        self._process = process
        self._file = file

    async def files_of(
        self, act: Callable[[], Awaitable[None]], counted: Collection[str] = ()
    ) -> list[str]:
        """The files that run each time because of `act`, in tasks that do not run without it."""
        await asyncio.sleep(SETTLE_SECONDS)
        idle = await self._trace(lambda: asyncio.sleep(0))
        found = [await self._trace(act) for _ in range(SENDS)]
        return sorted(set.intersection(*(_added(idle, busy, counted) for busy in found)))

    async def _trace(self, act: Callable[[], Awaitable[None]]) -> Trace:
        self._process.send_signal(signal.SIGUSR1)
        await asyncio.sleep(0.1)
        await act()
        await asyncio.sleep(SETTLE_SECONDS)
        self._file.unlink(missing_ok=True)
        self._process.send_signal(signal.SIGUSR2)
        while not self._file.exists():  # noqa: ASYNC110 - another process writes it
            await asyncio.sleep(0.05)
        return {task: set(files) for task, files in json.loads(self._file.read_text()).items()}


def _added(idle: Trace, busy: Trace, counted: Collection[str]) -> set[str]:
    """The files of a trace that an idle process does not pass."""
    # The name of a task without one is a new number each time. A poll may pass more files if it
    # finds a change.
    usual = [files for task, files in idle.items() if task.startswith(UNNAMED)]
    polls = [files for files in usual if len(files) > 1]
    own = (
        files
        for task, files in busy.items()
        if task in counted
        or not (task in idle or files in usual or any(poll <= files for poll in polls))
    )
    return set().union(*own, busy.get("", set()) - idle.get("", set()))


@contextmanager
def _traced(db: Database, *arguments: str, **environment: str) -> Iterator[_Traced]:
    file = db.directory / f"{arguments[0]}.trace"
    process = subprocess.Popen(
        [sys.executable, "-m", __name__, str(file), *arguments, "--data", str(db.directory)],
        env=clean_environment() | environment,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield _Traced(process, file)
    finally:
        process.terminate()
        process.wait(30)


def _run_traced(file: Path, arguments: list[str]) -> None:
    """Runs the program. SIGUSR1 starts a trace, SIGUSR2 writes it to the file."""
    from ibiki.cli.main import main as run

    trace: defaultdict[str, set[str]] = defaultdict(set)

    def called(frame: FrameType, event: str, _argument: object) -> None:
        package, _, _ = frame.f_globals.get("__name__", "").partition(".")
        if event == "call" and package in PACKAGES and frame.f_code.co_filename.startswith("/"):
            path = Path(frame.f_code.co_filename)
            trace[_task_name()].add(path.relative_to(ROOT).as_posix())

    def begin(_signal: int, _frame: FrameType | None) -> None:
        trace.clear()
        sys.setprofile(called)

    def write(_signal: int, _frame: FrameType | None) -> None:
        sys.setprofile(None)
        draft = file.with_suffix(".new")
        draft.write_text(json.dumps({task: sorted(files) for task, files in trace.items()}))
        draft.rename(file)

    signal.signal(signal.SIGUSR1, begin)
    signal.signal(signal.SIGUSR2, write)
    sys.argv = ["ibiki", *arguments]
    run()


def _task_name() -> str:
    """The name of the current task. Empty in a callback."""
    try:
        task = asyncio.current_task()
    except RuntimeError:
        return ""
    return task.get_name() if task else ""


if __name__ == "__main__":
    _run_traced(Path(sys.argv[1]), sys.argv[2:])
