"""Months are exported before they are dropped."""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from domain.retention.retention import Part, drop_old
from ibiki.retention import Exporting, export_months, run_retention
from persistence import store
from tests import worlds
from tests.inbox.post import PHONE
from tests.retention.old import ONE_MONTH, Old, rows, sums


async def exported(old: Old, exporting: Exporting) -> Path:
    """The only month that is exported."""
    files: list[Path] = []
    await export_months(store, ONE_MONTH, old.now, exporting, report_file=files.append, rest=0)
    [month] = files
    return month


async def test_months_are_exported_before_they_go(old: Old, tmp_path: Path) -> None:
    read = pytest.importorskip("pyarrow.parquet", reason="an optional package").read_table
    parquet = await exported(old, Exporting(tmp_path / "parquet", "parquet"))
    assert await rows("message") == 12, "an export drops nothing"
    files: list[Path] = []
    exporting = Exporting(tmp_path / "months")
    gone = [
        each
        async for each in run_retention(
            store, ONE_MONTH, old.now, exporting=exporting, report_file=files.append, rest=0
        )
    ]
    [month] = files
    assert list(month.parent.iterdir()) == [month]
    manifest = json.loads((month / "manifest.json").read_text())
    assert manifest["files"]["messages.csv.gz"]["rows"] == sums(gone)[Part.MESSAGES] == 10
    for name, facts in manifest["files"].items():
        content = (month / name).read_bytes()
        assert hashlib.sha256(content).hexdigest() == facts["sha256"]
        lines = list(csv.DictReader(gzip.decompress(content).decode().splitlines()))
        assert len(lines) == facts["rows"]
    messages = gzip.decompress((month / "messages.csv.gz").read_bytes()).decode()
    assert PHONE in messages
    found = [
        {k: v or "" for k, v in row.items()}
        for row in read(parquet / "messages.parquet").to_pylist()
    ]
    assert found == list(csv.DictReader(messages.splitlines()))


async def test_a_row_that_changed_after_its_export_stays(old: Old, tmp_path: Path) -> None:
    rules = await store.read_rules(ONE_MONTH)
    began = datetime.now(UTC)
    await exported(old, Exporting(tmp_path))
    await worlds.execute(
        "UPDATE message SET updated_at = clock_timestamp() + interval '1 s' WHERE send_id = $1",
        old.single,
    )
    async for _ in drop_old(store, rules, old.now, dry_run=False, exported_at=began, rest=0):
        pass
    assert await rows("message") == 3
    await old.drop()
    assert await rows("message") == 2
