"""A writer of jobs as a separate program, that kills itself at a stage: `python -m` this.

Arguments: the database's address, the stage, and how often it is reached before that.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys

from domain.dispatch.jobs import JobObserver, JobRules, JobStage, JobWriter
from domain.numbers import Normaliser
from domain.sending.files.file_limits import FileLimits
from domain.sending.routes import Routes
from persistence import store
from tests import db

RULES = JobRules(lease_seconds=0.5)


class Killed(JobObserver):
    """Kills this program when a stage is reached for the last of this many times."""

    def __init__(self, stage: JobStage, times: int) -> None:
        self._stage = stage
        self._left = times

    def reached(self, stage: JobStage) -> None:
        self._left -= stage is self._stage
        if not self._left:
            os.kill(os.getpid(), signal.SIGKILL)


def writer(
    *, rules: JobRules = RULES, observer: JobObserver | None = None, region: str = "US"
) -> JobWriter:
    """A writer, as each process has one."""
    return JobWriter(
        store, Normaliser(region), Routes(store), FileLimits(), rules=rules, observer=observer
    )


async def main(database_url: str, observer: JobObserver) -> None:
    """Writes jobs until it is killed."""
    async with db.connected(database_url, pool_size=2):
        own = writer(observer=observer)
        while True:
            if not await own.step():
                await asyncio.sleep(0.05)


if __name__ == "__main__":
    address, stage, times = sys.argv[1:]
    asyncio.run(main(address, Killed(JobStage(stage), int(times))))
