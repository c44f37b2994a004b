"""`make soak`: causes faults in the running program for a given time, and counts violations.

Prints a line for each fault, then the number of violations and the seed. The exit code is 1 if
there was a violation.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

from tests.end_to_end.program import fresh_directory
from tests.faults.building import rig
from tests.faults.faults import COURSE, Fault
from tests.faults.load import LoadRules
from tests.faults.rig import Rig, Scale
from tests.faults.rounds import Bounds, Round
from tests.faults.soak import SoakResult, run_faults
from tests.faults.volume import volume

HEAD = "round  accepting    submitting  watchers  longest try  fault"


def main() -> int:
    """The exit code."""
    options = _options()
    print(f"seed {options.seed}; seconds from the end of each fault:\n{HEAD}", flush=True)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with fresh_directory() as directory:
        try:
            result = asyncio.run(_run(options, directory))
        except KeyboardInterrupt:
            print(f"interrupted, seed {options.seed}")
            return 130
        finally:
            _keep_logs(directory, options.logs)
    for name, why_not in result.left_out.items():
        print(f"left out: {name}: {why_not}")
    for each in result.violations:
        print(f"VIOLATION {each}")
    count = len(result.violations)
    print(f"{result.acknowledged} requests acknowledged, {result.taken} messages at the provider")
    print(f"{result.outcomes_unknown} requests answered with OutcomeUnknown")
    print(f"{result.received} messages from phones answered with 200")
    print(f"{count} violations in {len(result.rounds)} rounds, seed {options.seed}")
    return 1 if count or not result.rounds else 0


async def _run(options: argparse.Namespace, directory: Path) -> SoakResult:
    slow = options.slow
    scale = Scale(
        load_rules=LoadRules(requests_per_second=options.rate, patience_seconds=3.0 * slow),
        database_frozen_seconds=20.0,
        gone_seconds=60.0,
        with_redis=not options.without_redis,
    ).slowed(slow)
    bounds = Bounds(
        recovery_seconds=options.recovery * slow,
        watcher_seconds=options.recovery * slow + scale.load_rules.patience_seconds,
        settled_seconds=30.0 * slow,
    )
    count = itertools.count(1)
    with volume() as on:
        async with rig(directory, on, scale, seed=options.seed) as built:
            return await run_faults(
                built,
                _chosen(options, built),
                bounds,
                lambda played: _print_round(next(count), played),
            )


def _chosen(options: argparse.Namespace, built: Rig) -> Iterator[Fault]:
    """The faults, shuffled again for each round, until the time or the rounds are over.

    A fault that this machine cannot cause is yielded once, so that the report names it.
    """
    chance, ends_at = Random(options.seed), time.monotonic() + options.seconds
    among = [each for each in COURSE if options.only in each.name]
    possible = [each for each in among if each.why_not(built) is None]
    yield from (each for each in among if each not in possible)
    rounds = itertools.count() if possible else ()
    shuffled = (each for _ in rounds for each in chance.sample(possible, len(possible)))
    for fault in itertools.islice(shuffled, options.rounds):
        if time.monotonic() > ends_at:
            return
        yield fault


def _print_round(number: int, played: Round) -> None:
    after = (played.accepting_after, played.submitting_after, played.watchers_after)
    columns = f"{after[0]:9.1f}  {after[1]:12.1f}  {after[2]:8.1f}  {played.longest_try:11.1f}"
    print(f"{number:5}  {columns}  {played.name}", flush=True)
    for each in played.broken:
        print(f"       VIOLATION {each}", flush=True)


def _keep_logs(directory: Path, logs: Path | None) -> None:
    """Copies the output of the programs to the requested directory, if there is one."""
    if logs is None:
        return
    logs.mkdir(parents=True, exist_ok=True)
    for log in directory.glob("*.log"):
        shutil.copy(log, logs)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument(
        "--seconds", type=float, default=1_800.0, help="for how long new faults are caused"
    )
    parser.add_argument("--rounds", type=int, help="the largest number of faults")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="of all that is drawn")
    parser.add_argument("--rate", type=float, default=20.0, help="requests a second")
    parser.add_argument("--recovery", type=float, default=5.0, help="how long recovery may take")
    parser.add_argument("--slow", type=float, default=1.0, help="a factor for all time limits")
    parser.add_argument("--only", default="", help="only faults whose name contains this")
    parser.add_argument("--without-redis", action="store_true", help="the bus is PostgreSQL")
    parser.add_argument("--logs", type=Path, help="a directory for the output of the programs")
    options = parser.parse_args()
    if not any(options.only in each.name for each in COURSE):
        parser.error(f"no name of a fault contains {options.only!r}")
    return options


if __name__ == "__main__":
    sys.exit(main())
