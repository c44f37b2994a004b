"""Programs that a supervisor keeps running: a killed program is started again."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

LOOK_SECONDS = 0.05
STOP_SECONDS = 20.0


class Program:
    """One command, its log, and the number of its starts.

    `surprises`: one line for each time that it ended without a signal from the rig. `checkout`: the
    directory of the release that the next start runs. None: this one.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        environment: Mapping[str, str],
        log: Path,
    ) -> None:
        self.name = name
        self.checkout: Path | None = None
        self.starts = 0
        self.surprises: list[str] = []
        self._command = list(command)
        self._environment = dict(environment)
        self._log = log
        self._running: subprocess.Popen[bytes] | None = None
        self._was_killed = False
        self._held_down = False
        self._is_restarting = False

    @property
    def pid(self) -> int:
        """The ID of the process that runs now."""
        assert self._running is not None
        return self._running.pid

    @property
    def is_down(self) -> bool:
        """Whether it was killed and has not been started since."""
        return self._was_killed

    def start(self) -> None:
        """Starts it. Its output is added to its log."""
        with self._log.open("ab") as log:
            self._running = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self._environment,
                cwd=self.checkout,  # Python imports from there first
            )
        self.starts += 1
        self._was_killed = False

    def kill(self, *, stays_down: bool = False) -> None:
        """kill -9. It is started again at once, unless it has to stay down until `let_up`."""
        self._was_killed = True
        self._held_down = stays_down
        self.signal(signal.SIGKILL)

    def let_up(self) -> None:
        """Allows it to be started again."""
        self._held_down = False

    def signal(self, number: signal.Signals) -> None:
        """Sends it a signal if it runs."""
        if self._running is not None and self._running.poll() is None:
            self._running.send_signal(number)

    def look_after(self) -> None:
        """Starts it again if it has ended. Notes a surprise if the rig did not end it."""
        if self._running is None or self._is_restarting:
            return
        if (code := self._running.poll()) is None:
            return
        if not self._was_killed:
            self.surprises.append(f"{self.name} ended by itself with {code}: {self.last_words}")
            self._was_killed = True
        if not self._held_down:
            self.start()

    async def restart(self) -> None:
        """Stops it with SIGTERM and starts it again, as a rolling restart does."""
        self._is_restarting = True
        try:
            await self.stop()
            self.start()
        finally:
            self._is_restarting = False

    async def stop(self) -> None:
        """Stops it with SIGTERM. Notes a surprise if it does not end, or ends with an error."""
        if self._running is None:
            return
        with suppress(ProcessLookupError):
            self._running.terminate()
        try:
            code = await asyncio.to_thread(self._running.wait, STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.surprises.append(f"{self.name} does not stop after SIGTERM")
            self._running.kill()
            code = self._running.wait()
        if code != 0 and not self._was_killed:
            self.surprises.append(f"{self.name} stopped with {code}: {self.last_words}")

    @property
    def last_words(self) -> str:
        """The end of its log."""
        return self._log.read_text(errors="replace")[-2_000:]


@asynccontextmanager
async def kept_running(programs: Sequence[Program]) -> AsyncIterator[None]:
    """Starts the programs, and starts them again whenever they end, while the block runs.

    They are stopped in reverse order: a program is stopped before those that it needs.
    """
    for program in programs:
        program.start()
    looking = asyncio.create_task(_keep_looking(programs))
    try:
        yield
    finally:
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)
        for program in reversed(programs):
            await program.stop()


async def _keep_looking(programs: Sequence[Program]) -> None:
    while True:
        for program in programs:
            program.look_after()
        await asyncio.sleep(LOOK_SECONDS)


def ibiki(*arguments: str) -> list[str]:
    """The command line of `ibiki` with these arguments."""
    return [sys.executable, "-m", "ibiki", *arguments]


def children_of(pid: int) -> list[int]:
    """The running child processes of a process."""
    with suppress(FileNotFoundError):
        return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


def signal_all(pids: Sequence[int], number: signal.Signals) -> None:
    """Sends a signal to each of them that still runs."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)
