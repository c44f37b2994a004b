"""The embedded PostgreSQL is sized by the memory and the disk of the machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from ibiki.local.memory import GIB, free_disk_bytes, memory_bytes, settings_for


@pytest.mark.parametrize(
    ("memory", "disk", "buffers", "log", "kept"),
    [
        (0.25, 100, "128MB", "512MB", "256MB"),
        (2, 100, "512MB", "512MB", "256MB"),
        (16, 100, "4096MB", "2048MB", "1024MB"),
        (16, 8, "4096MB", "819MB", "409MB"),
        (256, 1000, "8192MB", "4096MB", "2048MB"),
    ],
)
def test_buffers_and_log_grow_with_the_machine(
    memory: float, disk: float, buffers: str, log: str, kept: str
) -> None:
    found = settings_for(int(memory * GIB), int(disk * GIB))
    assert (found["shared_buffers"], found["max_wal_size"]) == (buffers, log)
    assert found["min_wal_size"] == kept


def test_the_memory_and_the_disk_of_this_machine_are_known(tmp_path: Path) -> None:
    assert memory_bytes() > GIB // 4
    assert free_disk_bytes(tmp_path) > 0
