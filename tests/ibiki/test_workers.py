"""What the background work of a process does without being asked."""

from __future__ import annotations

from domain.dispatch.rules import DispatchRules, Observer
from ibiki.workers import Workers
from persistence import store
from tests import worlds
from tests.dispatch.parts import eventually
from tests.installations import running_app


async def test_the_workers_notice_a_low_balance(database_url: str) -> None:
    async with running_app(database_url) as app:
        await worlds.execute(
            "UPDATE client SET low_balance_threshold = 1000 WHERE id = $1", app.owner.client_id
        )
        workers = Workers(
            store,
            app.installation.providers,
            app.installation.receiver,
            rules=DispatchRules(),
            observer=Observer(),
        )

        async def is_noticed() -> bool:
            rows = await worlds.fetch("SELECT client_id FROM low_balance WHERE ended_at IS NULL")
            return [row["client_id"] for row in rows] == [app.owner.client_id]

        workers.start()
        try:
            await eventually(is_noticed)
        finally:
            await workers.stop()
