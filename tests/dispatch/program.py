"""A dispatcher that runs as a separate program, and can send itself a signal at a stage.

Arguments of `python -m`: the address of the database, that of the provider (or ID=address for each
account, separated by commas), and optionally the stage and the signal.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from dataclasses import dataclass
from uuid import UUID

from domain.dispatch.rules import Observer, Stage
from domain.provider import Provider, Providers
from providers.config import ProviderConfig
from providers.extreme import ExtremeSMS
from tests import db
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


@dataclass
class ByAccount:
    """A provider for each account."""

    providers: dict[UUID, Provider]

    async def of(self, provider_account_id: UUID) -> Provider:
        return self.providers[provider_account_id]


def opened_at(base_url: str) -> ExtremeSMS:
    """An account at a simulator."""
    return ExtremeSMS(
        ProviderConfig(
            base_url=base_url,
            api_key="simulated",
            deadline_seconds=QUICK.deadline_seconds,
            loopback_only=True,
        )
    )


def providers_at(places: str) -> Providers:
    """One provider for all accounts, or one for each."""
    if "=" not in places:
        return Opened(opened_at(places))
    pairs = [each.split("=") for each in places.split(",")]
    return ByAccount({UUID(account_id): opened_at(base_url) for account_id, base_url in pairs})


async def main(database_url: str, places: str, observer: Observer) -> None:
    """Dispatches until it is killed."""
    async with db.connected(database_url), dispatching(providers_at(places), observer=observer):
        sys.stdout.write("dispatching\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


if __name__ == "__main__":
    address, provider, *named = sys.argv[1:]
    watched = Signalled(Stage(named[0]), signal.Signals[named[1]]) if named else Observer()
    asyncio.run(main(address, provider, watched))
