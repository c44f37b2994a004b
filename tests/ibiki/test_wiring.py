"""The rules of an installation come from the settings."""

from __future__ import annotations

from pathlib import Path

import pytest

from domain.ledger.sync import SyncRules
from ibiki.local.command_context import CommandContext
from ibiki.settings.settings import load
from ibiki.wiring import running_components


async def test_sync_uses_the_lease_and_the_deadline_of_dispatch(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DISPATCH_LEASE_SECONDS", "90")
    monkeypatch.setenv("DISPATCH_DEADLINE_SECONDS", "20")
    place = CommandContext(load(tmp_path), tmp_path, database_url)
    async with running_components(place, name="tests") as parts:
        assert parts.installation.sync_rules == SyncRules(lease_seconds=90, deadline_seconds=20)
