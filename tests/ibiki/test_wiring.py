"""An installation follows the settings, and its workers start by themselves."""

from __future__ import annotations

from pathlib import Path

import pytest

from domain.dispatch.rules import DispatchRules, Observer
from domain.ledger.sync import SyncRules
from domain.sending.acceptor import RequestObserver
from ibiki.local.command_context import CommandContext
from ibiki.settings.settings import load
from ibiki.wiring import running_components
from ibiki.workers import Workers
from persistence import store
from tests import db
from tests.dispatch.parts import eventually
from tests.installations import running_app


async def test_sync_uses_the_lease_and_the_deadline_of_dispatch(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DISPATCH_LEASE_SECONDS", "90")
    monkeypatch.setenv("DISPATCH_DEADLINE_SECONDS", "20")
    place = CommandContext(load(tmp_path), tmp_path, database_url)
    async with running_components(place, name="tests") as parts:
        assert parts.installation.sync_rules == SyncRules(lease_seconds=90, deadline_seconds=20)


async def test_only_a_process_that_serves_the_api_has_live_updates(
    database_url: str, tmp_path: Path
) -> None:
    place = CommandContext(load(tmp_path), tmp_path, database_url)
    async with running_components(place, name="tests") as parts:
        assert parts.live is None
    async with running_components(place, name="tests", observer=RequestObserver()) as parts:
        assert parts.live is not None


async def test_the_workers_notice_a_low_balance(database_url: str) -> None:
    async with running_app(database_url) as app:
        await db.execute(
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
            rows = await db.fetch("SELECT client_id FROM low_balance WHERE ended_at IS NULL")
            return [row["client_id"] for row in rows] == [app.owner.client_id]

        workers.start()
        try:
            await eventually(is_noticed)
        finally:
            await workers.stop()
