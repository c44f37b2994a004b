"""A worker that delivers webhooks as a separate program: `python -m` this, with a database."""

from __future__ import annotations

import asyncio
import sys

from domain.hooks.addresses import AddressRules
from domain.hooks.worker import Deliverer
from ibiki.encryption import FernetCipher
from ibiki.hooks import formats
from persistence import store
from providers.guarded import GuardedClient, GuardRules
from tests import db
from tests.hooks.conftest import RULES


async def main(database_url: str, key: str) -> None:
    """Delivers until it is killed."""
    client = GuardedClient(
        GuardRules(AddressRules(loopback=True), deadline_seconds=RULES.deadline_seconds)
    )
    async with db.connected(database_url):
        Deliverer(store, client, formats(), FernetCipher([key]), rules=RULES).start()
        sys.stdout.write("delivering\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
