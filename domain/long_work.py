"""Long work in plain Python, such as reading 100,000 numbers, done beside the event loop.

The event loop and the threads of a process take turns in the interpreter, and the loop has to wait
for a turn each time that it has waited for the network. With asyncio's own threads (six on two
cores) and Python's turns of 5 ms, a single send beside ten bulks waited for seconds. So there is
one thread for lists and one for files, and their turns are short: docs/decisions/0205. What takes
seconds has its own process, which the system runs only after all others: docs/decisions/0213.
"""

from __future__ import annotations

import asyncio
import os
import pickle
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Awaitable, Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, BinaryIO, TypeVar

from domain.errors import TryAgain
from domain.loops import now_seconds

Result = TypeVar("Result")

Steps = Generator[Any, Any, Result]
"""Work that asks in between: it yields a question, and is continued with the answer."""

Answer = Callable[[Any], Awaitable[Any]]
"""Answers the questions of some work. All of them and their answers can be pickled."""

TURN_SECONDS = 0.0005
"""How long a thread may run while another one waits for its turn."""

REST = 3
"""How long `SpacedWork` rests after a piece, compared with the piece."""

NICENESS = 10
"""By how much the process for long work is nicer than this one: see nice(2)."""

SIZE_BYTES = 8
QUESTION, RESULT, REFUSAL, FAILURE = range(4)
"""What the other process says. Each value has its size before it."""

# The interval is of the whole program. It is set here so that no program that has such threads can
# forget it.
_list_thread, _file_thread = [
    ThreadPoolExecutor(1, name, initializer=sys.setswitchinterval, initargs=(TURN_SECONDS,))
    for name in ("lists", "files")
]


class WorkFailed(Exception):
    """Long work in another process has failed by a defect. The message is its traceback."""


class SpacedWork:
    """Work of some milliseconds in the event loop, such as reading the JSON of a large body.

    One piece is done at a time, and after each the loop is free for three times as long as it took.
    So a small request, for which the loop has to do several things one after the other, does not
    wait for all of ten large bodies that arrive together.
    """

    def __init__(self) -> None:
        self._one = asyncio.Lock()

    async def run(self, work: Callable[[], Result]) -> Result:
        """The result of the work, or what it raises."""
        async with self._one:
            began = now_seconds()
            try:
                return work()
            finally:
                await asyncio.sleep(REST * (now_seconds() - began))


async def in_thread(work: Callable[[], Result]) -> Result:
    """The result of work on a list. One is done at a time, for all requests of this process."""
    return await asyncio.get_running_loop().run_in_executor(_list_thread, work)


async def in_file_thread(work: Callable[[], Result]) -> Result:
    """The result of work on a file. One is done at a time, and does not delay lists."""
    return await asyncio.get_running_loop().run_in_executor(_file_thread, work)


async def in_steps(
    work: Callable[..., Steps[Result]], file: BinaryIO, *given: Any, answer: Answer
) -> Result:
    """The result of `work(file, *given)`, each of whose steps is done in the thread for files."""
    steps = work(file, *given)
    reply: Any = None
    while True:
        is_result, value = await in_file_thread(partial(next_step, steps, reply))
        if is_result:
            return value  # type: ignore[no-any-return]
        reply = await answer(value)


async def in_child(
    work: Callable[..., Steps[Result]], file: BinaryIO, *given: Any, answer: Answer
) -> Result:
    """The result of `work(file, *given)`, done in a process that is started for it.

    `work`: a function of a module. `given`, the questions and answers, the result and refusals are
    pickled. Raises what the work refuses, and TryAgain if its process is killed.
    """
    file.flush()  # the other process reads the same open file
    # -P and the path: it finds the modules of this program, and none in the working directory.
    path = os.pathsep.join(filter(None, sys.path))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "domain.child", str(file.fileno())),
        env={**os.environ, "PYTHONPATH": path},
        pass_fds=[file.fileno()],
        stdin=PIPE,
        stdout=PIPE,
        start_new_session=True,  # Ctrl-C ends this process, and then the other one
    )
    try:
        return await _dialogue(process, [work, given, NICENESS], answer)  # type: ignore[no-any-return]
    except (asyncio.IncompleteReadError, ConnectionError) as ended:
        raise TryAgain from ended
    finally:
        if process.returncode is None:
            process.kill()
        # Not wait(): in Python 3.11 it never returns if a long result has not been read to its end.
        await process.communicate()


async def _dialogue(process: Process, message: Any, answer: Answer) -> Any:
    assert process.stdin is not None
    assert process.stdout is not None
    while True:
        process.stdin.write(framed(message))
        await process.stdin.drain()
        size = int.from_bytes(await process.stdout.readexactly(SIZE_BYTES), "big")
        kind, value = pickle.loads(await process.stdout.readexactly(size))  # noqa: S301 - our own process
        if kind == RESULT:
            return value
        if kind == REFUSAL:
            raise value
        if kind == FAILURE:
            raise WorkFailed(value)
        message = await answer(value)


def framed(value: Any) -> bytes:
    """A value as it is written to a pipe."""
    pickled = pickle.dumps(value, protocol=pickle.HIGHEST_PROTOCOL)
    return len(pickled).to_bytes(SIZE_BYTES, "big") + pickled


def next_step(steps: Steps[Result], reply: Any) -> tuple[bool, Any]:
    """Continues the work. Whether it has ended, and its result or its next question."""
    try:
        return False, steps.send(reply)
    except StopIteration as end:
        return True, end.value
