"""A dispatcher as a program of its own, that kills or stops itself at a stage: `python -m` this.

Arguments: the database's address, the provider's; then, if it is to happen, stage and signal.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys

from domain.dispatch.ports import Observer, Stage
from providers.config import ProviderConfig
from providers.extreme import ExtremeSMS
from tests import worlds
from tests.dispatch.parts import QUICK, Opened, dispatching


class Signalled(Observer):
    """Sends this program a signal, once, when the stage is reached."""

    def __init__(self, stage: Stage, number: signal.Signals) -> None:
        self._stage: Stage | None = stage
        self._number = number

    def reached(self, stage: Stage) -> None:
        if stage is self._stage:
            self._stage = None
            os.kill(os.getpid(), self._number)


async def main(database_url: str, base_url: str, observer: Observer) -> None:
    """Hands over until it is killed."""
    config = ProviderConfig(
        base_url=base_url,
        api_key="simulated",
        deadline_seconds=QUICK.deadline_seconds,
        loopback_only=True,
    )
    async with (
        worlds.connected(database_url),
        dispatching(Opened(ExtremeSMS(config)), observer=observer),
    ):
        sys.stdout.write("dispatching\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


if __name__ == "__main__":
    address, provider, *named = sys.argv[1:]
    watched = Signalled(Stage(named[0]), signal.Signals[named[1]]) if named else Observer()
    asyncio.run(main(address, provider, watched))
