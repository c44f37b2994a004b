"""A new version beside the previous release, under load: `python -m tests.faults.upgrade`.

Two servers and two dispatchers of the previous release run. `ibiki migrate` of this version changes
their database, and then each of them is restarted with this version, one after the other.
After each phase, all checks of `make soak` are made. Prints a line for each phase: the requests,
those that were tried more than once, and the time from the first try to the answer.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.end_to_end.program import clean_environment, fresh_directory
from tests.faults.building import rig
from tests.faults.faults import Fault
from tests.faults.load import LoadRules, MadeRequest
from tests.faults.nodes import restart, through_balancer
from tests.faults.programs import ibiki
from tests.faults.release import ReleaseUnusable, before_the_newest_migration, exported
from tests.faults.rig import Rig, Scale
from tests.faults.rounds import Bounds, Round
from tests.faults.soak import SoakResult, run_faults
from tests.faults.volume import volume

HEAD = "requests  repeated  p50 ms  p99 ms  longest ms  phase"


@dataclass
class Upgrade:
    """The phases. `seconds`: how long each of them lasts at least."""

    seconds: float
    phases: list[tuple[str, float, float]] = field(default_factory=list)
    """Name, beginning and end."""

    @property
    def faults(self) -> Sequence[Fault]:
        """The changes of the rig. The migration is the first one: the checks need its tables."""
        return [
            Fault("ibiki migrate, beside the previous release", self._migrate),
            Fault("one of each pair is replaced, the others later", self._replace),
        ]

    async def _migrate(self, rig: Rig) -> None:
        async with self._phase("the previous release"):
            await asyncio.sleep(self.seconds)
        async with self._phase("ibiki migrate"):
            await _migrate(rig)
        async with self._phase("the previous release, with the new tables"):
            await asyncio.sleep(self.seconds)

    async def _replace(self, rig: Rig) -> None:
        async with through_balancer(rig):
            for place in range(len(rig.servers)):
                async with self._phase(f"restarting pair {place + 1} with this version"):
                    for served in (rig.servers[place], rig.dispatchers[place]):
                        served.program.checkout = None
                        await restart(rig, served)
                async with self._phase(f"this version in {place + 1} of each pair"):
                    await asyncio.sleep(self.seconds)

    @asynccontextmanager
    async def _phase(self, name: str) -> AsyncIterator[None]:
        began = time.monotonic()
        yield
        self.phases.append((name, began, time.monotonic()))


async def _migrate(rig: Rig) -> None:
    """`ibiki migrate` of this version, as an operator runs it."""
    program = await asyncio.create_subprocess_exec(
        *ibiki("migrate", "--data", str(rig.volume.path / "migrating")),
        env=clean_environment() | {"DATABASE_URL": rig.postgres.url, "LOOPBACK_ONLY": "true"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    printed, _ = await program.communicate()
    print(printed.decode().rstrip(), flush=True)
    assert program.returncode == 0, f"ibiki migrate ended with {program.returncode}"


def _line(name: str, requests: Sequence[MadeRequest]) -> str:
    """The figures of a phase for its callers. A caller without a key may have given up."""
    milliseconds = sorted(
        1_000 * (each.answered_at - each.requested_at) for each in requests if each.answered_at
    )
    if not milliseconds:
        return f"{0:8}  {'':36}  {name}"
    p50, p99, longest = [
        milliseconds[int(share * (len(milliseconds) - 1))] for share in (0.5, 0.99, 1.0)
    ]
    repeated = sum(each.tries > 1 for each in requests)
    return f"{len(requests):8}  {repeated:8}  {p50:6.0f}  {p99:6.0f}  {longest:10.0f}  {name}"


async def _run(options: argparse.Namespace, directory: Path) -> SoakResult:
    release = exported(options.before or before_the_newest_migration(), directory / "before")
    print(f"the previous release is {release.commit}", flush=True)
    load_rules = LoadRules(requests_per_second=options.rate, patience_seconds=5.0 * options.slow)
    scale = Scale(load_rules=load_rules).slowed(options.slow)
    upgrade = Upgrade(options.seconds)
    bounds = Bounds(
        recovery_seconds=20.0 * options.slow,
        watcher_seconds=20.0 * options.slow,
        settled_seconds=60.0 * options.slow,
    )
    with volume() as on:
        async with rig(directory, on, scale, seed=options.seed, release=release) as built:
            result = await run_faults(built, upgrade.faults, bounds, _print_violations)
    print(HEAD)
    for name, began, ended in upgrade.phases:
        print(
            _line(
                name, [each for each in built.load.requests if began <= each.requested_at < ended]
            )
        )
    return result


def _print_violations(played: Round) -> None:
    print(f"{played.name}: {len(played.broken)} violations", flush=True)


def main() -> int:
    """The exit code: 1 if anything was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.upgrade", description=__doc__)
    parser.add_argument(
        "--before", help="a commit; without it, the last without our newest migration"
    )
    parser.add_argument("--seconds", type=float, default=20.0, help="how long each phase lasts")
    parser.add_argument("--rate", type=float, default=20.0, help="requests a second")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--slow", type=float, default=1.0, help="a factor for all time limits")
    options = parser.parse_args()
    with fresh_directory() as directory:
        try:
            result = asyncio.run(_run(options, directory))
        except ReleaseUnusable as unusable:
            print(f"The previous release cannot be run: {unusable}", file=sys.stderr)
            return 2
    for each in result.violations:
        print(f"VIOLATION {each}")
    print(f"{result.acknowledged} requests acknowledged, {result.taken} messages at the provider")
    print(f"{len(result.violations)} violations")
    return 1 if result.violations else 0


if __name__ == "__main__":
    sys.exit(main())
