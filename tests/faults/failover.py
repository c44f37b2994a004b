"""Measures what a failover of PostgreSQL loses: `python -m tests.faults.failover --mode async`.

In the modes, a COMMIT waits for the standby: `all`, only that of a mark (`marks`, with
`synchronous_commit = local`), or none (`async`). `--late`: seconds by which the log arrives late at
the standby. Prints a line for each failover: what was lost by it.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from domain import ids
from domain.ids import Kind
from tests import db
from tests.end_to_end.program import fresh_directory
from tests.faults.building import rig
from tests.faults.conditions import Conditions
from tests.faults.load import Accepted, LoadRules
from tests.faults.nodes import fail_over
from tests.faults.proxy import proxying
from tests.faults.rig import Rig, Scale, patiently
from tests.faults.volume import volume

MODES = ("all", "marks", "async")
HEAD = (
    "round  acknowledged  of them lost  sent twice  sent, not stored  UNKNOWN  inbound lost  down"
)
SETTLE_SECONDS = 8.0

SENDS = "SELECT id FROM send WHERE id = ANY($1::uuid[])"
NUMBERS = "SELECT number FROM message WHERE number = ANY($1::text[])"
UNKNOWN = "SELECT id FROM message WHERE status = 'UNKNOWN'"


@dataclass
class Count:
    """The totals so far. The difference of two of them is what one failover lost."""

    acknowledged: set[str] = field(default_factory=set)
    lost: set[str] = field(default_factory=set)
    twice: set[str] = field(default_factory=set)
    not_stored: set[str] = field(default_factory=set)
    unknown: set[str] = field(default_factory=set)
    inbound: set[str] = field(default_factory=set)

    def __sub__(self, before: Count) -> list[int]:
        return [len(now - vars(before)[name]) for name, now in vars(self).items()]


async def count(built: Rig) -> Count:
    """Counts from the tables, the provider's log, and the answers to the clients."""
    await built.provider.read()
    acknowledged = {
        each.answer.send_id for each in built.load.requests if isinstance(each.answer, Accepted)
    }
    by_id = {ids.decode(Kind.SEND, each): each for each in acknowledged}
    kept = {by_id[row["id"]] for row in await db.fetch(SENDS, list(by_id))}
    taken = built.provider.taken
    stored = {row["number"] for row in await db.fetch(NUMBERS, list(taken))}
    unknown = {str(row["id"]) for row in await db.fetch(UNKNOWN)}
    inbound = await _lost_inbound(built)
    return Count(
        acknowledged,
        acknowledged - kept,
        {number for number, times in taken.items() if times > 1},
        set(taken) - stored,
        unknown,
        inbound,
    )


async def _lost_inbound(built: Rig) -> set[str]:
    """Texts that were answered with 200 and are in no inbox. Waits a moment for new ones."""
    owed = built.phones.unseen
    give_up_at = time.monotonic() + SETTLE_SECONDS
    while (lost := await built.phones.missing(owed)) and time.monotonic() < give_up_at:  # noqa: ASYNC110
        await asyncio.sleep(0.1)
    return set(lost)


async def measure(built: Rig, options: argparse.Namespace, slow: Path) -> list[int]:
    """The sums over all failovers."""
    if options.mode == "marks":
        await built.postgres.ask("ALTER ROLE ibiki SET synchronous_commit = local")
        await built.postgres.cut_all()  # an open session keeps its old value
    built.load.start()
    built.phones.start()
    await asyncio.sleep(SETTLE_SECONDS)
    sums: list[int] = []
    before = await patiently(lambda: count(built))
    for number in range(1, options.times + 1):
        async with proxying(built.postgres.socket, at=slow / ".s.PGSQL.5432") as line:
            (slow / ".s.PGSQL.5432").chmod(0o777)  # PostgreSQL runs as another user
            late = partial(setattr, line, "conditions", Conditions(late_seconds=options.late))
            await fail_over(built, waits=options.mode != "async", through=slow, followed=late)
        began = time.monotonic()
        while not built.load.answered_within(0.5):  # noqa: ASYNC110 - another program changes it
            await asyncio.sleep(0.05)
        away_seconds = time.monotonic() - began
        await asyncio.sleep(SETTLE_SECONDS)
        now = await patiently(lambda: count(built))
        found, before = now - before, now
        sums = [sum(pair) for pair in zip(sums or [0] * len(found), found, strict=True)]
        _print_line(str(number), found, away_seconds)
    _print_line("sum", sums, 0.0)
    return sums


def _print_line(name: str, found: list[int], away_seconds: float) -> None:
    widths = (12, 12, 10, 16, 7, 12)
    columns = "  ".join(f"{each:{width}}" for each, width in zip(found, widths, strict=True))
    print(f"{name:>5}  {columns}  {away_seconds:4.1f}", flush=True)


async def _run(options: argparse.Namespace, directory: Path) -> list[int]:
    load_rules = LoadRules(requests_per_second=options.rate, patience_seconds=3.0 * options.slow)
    scale = Scale(load_rules=load_rules).slowed(options.slow)
    with volume() as on:
        slow = on.path / "slow"
        slow.mkdir()
        async with rig(directory, on, scale, seed=options.seed) as built:
            return await measure(built, options, slow)


def main() -> int:
    """The exit code: 1 if something was lost that the mode promises to keep."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.failover", description=__doc__)
    parser.add_argument("--mode", choices=MODES, default="all")
    parser.add_argument("--times", type=int, default=5, help="failovers")
    parser.add_argument("--late", type=float, default=0.0, help="seconds of replication lag")
    parser.add_argument("--rate", type=float, default=20.0, help="requests a second")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--slow", type=float, default=1.0, help="a factor for all time limits")
    options = parser.parse_args()
    print(f"mode {options.mode}, {options.late} s late, {options.rate:.0f}/s\n{HEAD}", flush=True)
    with fresh_directory() as directory:
        _, lost, twice, not_stored, _, inbound = asyncio.run(_run(options, directory))
    kept = {"all": lost + inbound + twice + not_stored, "marks": twice + not_stored, "async": 0}
    return 1 if kept[options.mode] else 0


if __name__ == "__main__":
    sys.exit(main())
