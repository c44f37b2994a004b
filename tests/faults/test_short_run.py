"""The whole program with a few faults under load: a short run of `make soak` with a fixed seed.

Recovery may take long here, because the machine may be slow. `make soak` is strict.
"""

from __future__ import annotations

import pytest

from tests.end_to_end.program import fresh_directory
from tests.faults.building import rig
from tests.faults.faults import ALL, Fault
from tests.faults.load import LoadRules
from tests.faults.rig import Scale
from tests.faults.rounds import Bounds
from tests.faults.soak import run_faults
from tests.faults.volume import volume

# In one group with the browser tests: side by side, both would be too slow to recover in time.
pytestmark = [pytest.mark.xdist_group("heavy"), pytest.mark.timeout(1_200)]

SEED = 20_261_121
NAMES = (
    "a server is killed: not committed",
    "the provider: reset_after",
    "a dispatcher is killed: marked",
    "every connection is terminated",
    "a server's database is gone: committed",
    "a server's connection is cut: committed",
    "Redis is flushed",
    "the provider: rate_limited",
    "PostgreSQL is restarted at once",
    "Redis is restarted",
)
SCALE = Scale(
    load_rules=LoadRules(requests_per_second=12.0, patience_seconds=5.0),
    moment_seconds=1.0,
    statement_seconds=6.0,
)
BOUNDS = Bounds(recovery_seconds=30.0, watcher_seconds=30.0, settled_seconds=60.0)


def named(name: str) -> Fault:
    """The fault of that name."""
    (found,) = (each for each in ALL if each.name == name)
    return found


async def test_all_guarantees_hold_after_each_fault() -> None:
    with fresh_directory() as directory, volume() as on:
        async with rig(directory, on, SCALE, seed=SEED) as built:
            result = await run_faults(built, [named(each) for each in NAMES], BOUNDS)
    assert result.violations == []
    assert len(result.rounds) + len(result.left_out) == len(NAMES)
    assert min(result.acknowledged, result.taken, result.received) > 0, "nothing was tried"
