"""`make soak`: hurts the running program for as long as it is told to, and counts violations.

A line a fault, then the count and the seed; ends with 1 where anything was broken.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

from tests.end_to_end.program import fresh_directory
from tests.faults.faults import ALL, Fault
from tests.faults.load import Pace
from tests.faults.rig import Scale, rig
from tests.faults.rounds import Bounds, Round
from tests.faults.soak import Verdict, hurt
from tests.faults.volume import volume

BOUNDS = Bounds(recovery_seconds=5.0, settled_seconds=30.0)


def main() -> int:
    """The exit code."""
    asked = _asked()
    print(f"seed {asked.seed}", flush=True)
    with fresh_directory() as directory:
        verdict = asyncio.run(_run(asked, directory))
    for name, why_not in verdict.left_out.items():
        print(f"left out: {name}: {why_not}")
    for each in verdict.violations:
        print(f"VIOLATION {each}")
    count = len(verdict.violations)
    print(f"{count} violations in {len(verdict.rounds)} rounds, seed {asked.seed}")
    return 1 if count else 0


async def _run(asked: argparse.Namespace, directory: Path) -> Verdict:
    scale = Scale(pace=Pace(requests_per_second=asked.rate, patience_seconds=3.0))
    with volume() as on:
        async with rig(directory, on, scale, seed=asked.seed) as built:
            return await hurt(built, _chosen(asked), BOUNDS, _tell)


def _chosen(asked: argparse.Namespace) -> Iterator[Fault]:
    """Every fault that was asked for, shuffled anew each time round, until the time is over."""
    chance, ends_at = Random(asked.seed), time.monotonic() + asked.seconds
    among = [each for each in ALL if asked.only in each.name]
    while True:
        for fault in chance.sample(among, len(among)):
            if time.monotonic() > ends_at:
                return
            yield fault


def _tell(played: Round) -> None:
    said = "; ".join(played.broken) or "whole"
    times = (
        f"{played.accepting_after:6.1f} {played.handing_over_after:6.1f} {played.longest_try:6.1f}"
    )
    print(f"{times}  {played.name}: {said}", flush=True)


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--seconds", type=float, default=600.0, help="how long faults are made")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="of everything random")
    parser.add_argument("--rate", type=float, default=20.0, help="requests a second")
    parser.add_argument("--only", default="", help="faults whose name has this in it")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
