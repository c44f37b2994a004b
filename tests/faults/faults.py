"""The faults. Each one disturbs a rig for a while, and returns when it is over.

`why_not` says what a fault needs that this machine does not have.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial

from domain.ledger.idempotency import PAUSES_SECONDS
from tests.faults.clock import Clock
from tests.faults.conditions import FAIR, Conditions, Cut, Direction, End
from tests.faults.nodes import fail_over, lose_redis, restart_in_turn, until
from tests.faults.proxy import FaultProxy
from tests.faults.rig import Rig, patiently
from tests.faults.steps import ACCEPTING, HANDING_OVER
from tests.faults.triggers import COMMIT, ByteTrigger, StatementTrigger, Step

REACHED_SECONDS = 60.0
HOUR_SECONDS = 3_600
RETRIES_SECONDS = sum(PAUSES_SECONDS) + 1.0
"""How long a server without a database tries to find out whether a COMMIT succeeded."""

Make = Callable[[Rig], Awaitable[None]]


def _possible(rig: Rig) -> str | None:
    return None


@dataclass(frozen=True, slots=True)
class Fault:
    """One kind of fault. `make` returns when it is over.

    `loses_connections`: connections to the database may be lost by it.
    """

    name: str
    make: Make
    why_not: Callable[[Rig], str | None] = _possible
    loses_connections: bool = False


# Programs


async def _killed_at(rig: Rig, *, servers: bool, step: Step) -> None:
    """Kills the first program that reaches the step."""
    pair = rig.servers if servers else rig.dispatchers
    reached = [each.statement_trigger.act_at(step, each.program.kill) for each in pair]
    await _wait_until_reached(reached, [each.statement_trigger for each in pair], step.name)


async def _cut_at(rig: Rig, *, servers: bool, step: Step) -> None:
    """Cuts the first connection that reaches the step. Its program continues."""
    pair = rig.servers if servers else rig.dispatchers
    reached = [each.statement_trigger.act_at(step, lambda: None) for each in pair]
    await _wait_until_reached(reached, [each.statement_trigger for each in pair], step.name)


async def _lost_at_commit(rig: Rig, *, step: Step) -> None:
    """A server loses its connection in COMMIT, and has no database until its retries are over."""
    reached = [
        each.statement_trigger.act_at(step, partial(_refuse, each.line)) for each in rig.servers
    ]
    await _wait_until_reached(reached, [each.statement_trigger for each in rig.servers], step.name)
    await asyncio.sleep(RETRIES_SECONDS)
    for each in rig.servers:
        each.line.conditions = FAIR


def _refuse(line: FaultProxy) -> None:
    line.conditions = Conditions(refuses=True)
    line.end_all()


async def _killed_when_bytes_go(rig: Rig, *, servers: bool, direction: Direction) -> None:
    pair = rig.servers if servers else rig.dispatchers
    reached = [each.byte_trigger.act_at(direction, each.program.kill) for each in pair]
    await _wait_until_reached(reached, [each.byte_trigger for each in pair], f"bytes {direction}")


async def _wait_until_reached(
    reached: Sequence[asyncio.Event], triggers: Sequence[StatementTrigger | ByteTrigger], name: str
) -> None:
    """Returns when one of the triggers has acted. Then removes the others."""
    waiting = [asyncio.create_task(each.wait()) for each in reached]
    try:
        done, _ = await asyncio.wait(
            waiting, timeout=REACHED_SECONDS, return_when=asyncio.FIRST_COMPLETED
        )
    finally:
        for trigger in triggers:
            trigger.remove()
        for task in waiting:
            task.cancel()
    assert done, f"{name}: never reached"


async def _all_killed(rig: Rig) -> None:
    """Kills all servers and dispatchers. Returns when all of them run again."""
    for served in [*rig.servers, *rig.dispatchers]:
        served.program.kill()
    await until(rig.has_restarted)
    await until(rig.is_up)


async def _frozen(rig: Rig, *, servers: bool) -> None:
    """Suspends a program for longer than a lease, and then continues it."""
    served = rig.chance.choice(rig.servers if servers else rig.dispatchers)
    served.program.signal(signal.SIGSTOP)
    await asyncio.sleep(rig.scale.frozen_seconds)
    served.program.signal(signal.SIGCONT)


async def _frozen_at(rig: Rig, *, servers: bool, step: Step) -> None:
    """The same, while the program has a transaction open."""
    served = rig.chance.choice(rig.servers if servers else rig.dispatchers)
    freeze = partial(served.program.signal, signal.SIGSTOP)
    reached = served.statement_trigger.act_at(step, freeze, cuts=False)
    await _wait_until_reached([reached], [served.statement_trigger], step.name)
    await asyncio.sleep(rig.scale.frozen_seconds)
    served.program.signal(signal.SIGCONT)


# PostgreSQL


async def _restarted_at_once(rig: Rig) -> None:
    await patiently(rig.postgres.stop_at_once)
    await rig.postgres.ensure_running()


async def _connections_ended(rig: Rig) -> None:
    await patiently(rig.postgres.cut_all)


async def _database_frozen(rig: Rig) -> None:
    stopped = rig.postgres.freeze()
    await asyncio.sleep(rig.scale.database_frozen_seconds)
    rig.postgres.thaw(stopped)


async def _disk_full(rig: Rig) -> None:
    rig.volume.fill(left_bytes=16 * 1024)
    await asyncio.sleep(rig.scale.moment_seconds)
    rig.volume.clear()
    await rig.postgres.ensure_running()


# Redis


async def _redis_flushed(rig: Rig) -> None:
    await rig.redis.flush()


async def _redis_restarted(rig: Rig) -> None:
    rig.redis.kill()
    await asyncio.sleep(0)


# Connections


async def _apply_conditions(
    rig: Rig, *, lines: Callable[[Rig], Sequence[FaultProxy]], conditions: Conditions
) -> None:
    chosen = lines(rig)
    for line in chosen:
        line.conditions = conditions
    await asyncio.sleep(rig.scale.moment_seconds)
    for line in chosen:
        line.conditions = FAIR


# The provider


async def _provider(rig: Rig, *, kind: str, seconds: float | None = None) -> None:
    await rig.provider.fault(kind, **({} if seconds is None else {"seconds": seconds}))
    await asyncio.sleep(rig.scale.moment_seconds)
    await rig.provider.reset()


async def _provider_gone(rig: Rig) -> None:
    rig.simulator.kill(stays_down=True)
    await asyncio.sleep(rig.scale.moment_seconds)
    rig.simulator.let_up()
    await until(rig.provider.answers)


# Clocks


async def _clock(rig: Rig, *, of: str, seconds: int) -> None:
    clocks = {
        "database": [rig.database_clock],
        "server": [rig.servers[0].clock],
        "dispatcher": [rig.dispatchers[0].clock],
    }[of]
    _move(rig, clocks, seconds)
    await asyncio.sleep(rig.scale.moment_seconds)
    _move(rig, clocks, 0)


def _move(rig: Rig, clocks: Sequence[Clock], seconds: int) -> None:
    for clock in clocks:
        clock.move(seconds)
    rig.status_watchers.forget()


def _clock_of(of: str, seconds: int) -> Fault:
    direction = "ahead" if seconds > 0 else "back"
    return Fault(
        f"the {of}'s clock is an hour {direction}",
        partial(_clock, of=of, seconds=seconds),
        lambda rig: rig.database_clock.why_not,
    )


async def _both(rig: Rig, *, one: Fault, other: Fault) -> None:
    await asyncio.gather(one.make(rig), other.make(rig))


def _at_once(one: Fault, other: Fault) -> Fault:
    return Fault(
        f"{one.name}, and {other.name}",
        partial(_both, one=one, other=other),
        lambda rig: one.why_not(rig) or other.why_not(rig),
        loses_connections=one.loses_connections or other.loses_connections,
    )


KILLS = (
    *(
        Fault(f"a server is killed: {step.name}", partial(_killed_at, servers=True, step=step))
        for step in ACCEPTING
    ),
    Fault(
        "a server is killed: answering",
        partial(_killed_when_bytes_go, servers=True, direction=Direction.DOWN),
    ),
    *(
        Fault(f"a dispatcher is killed: {step.name}", partial(_killed_at, servers=False, step=step))
        for step in HANDING_OVER
    ),
    Fault(
        "a dispatcher is killed: calling",
        partial(_killed_when_bytes_go, servers=False, direction=Direction.UP),
    ),
    Fault(
        "a dispatcher is killed: answered",
        partial(_killed_when_bytes_go, servers=False, direction=Direction.DOWN),
    ),
)

CUTS = tuple(
    Fault(
        f"a {'server' if servers else 'dispatcher'}'s connection is cut: {step.name}",
        partial(_cut_at, servers=servers, step=step),
        loses_connections=True,
    )
    for servers, steps in ((True, ACCEPTING), (False, HANDING_OVER))
    for step in steps
)

LOST = tuple(
    Fault(
        f"a server's database is gone: {step.name}",
        partial(_lost_at_commit, step=step),
        loses_connections=True,
    )
    for step in ACCEPTING
    if step.statement == COMMIT
)

FREEZES = (
    Fault("a dispatcher is frozen past its lease", partial(_frozen, servers=False)),
    Fault(
        "a dispatcher is frozen with calls marked",
        partial(_frozen_at, servers=False, step=HANDING_OVER[2]),
    ),
    Fault(
        "a server is frozen with accounts locked",
        partial(_frozen_at, servers=True, step=ACCEPTING[2]),
    ),
)

DATABASE = (
    Fault("PostgreSQL is restarted at once", _restarted_at_once, loses_connections=True),
    Fault("every connection is terminated", _connections_ended, loses_connections=True),
    Fault("PostgreSQL is frozen", _database_frozen, loses_connections=True),
    Fault("the disk is full", _disk_full, lambda rig: rig.volume.why_not),
    Fault("PostgreSQL fails over to its standby", fail_over, loses_connections=True),
)


def _no_redis(rig: Rig) -> str | None:
    return rig.redis.why_not


REDIS = (
    Fault("Redis is flushed", _redis_flushed, _no_redis),
    Fault("Redis is restarted", _redis_restarted, _no_redis),
    Fault("Redis is gone", lose_redis, _no_redis),
)

_HARM = {
    "late": Conditions(late_seconds=0.02, jitter_seconds=0.05),
    "cut": Conditions(cut=Cut(range(1, 4_000), End.CLOSE), share=0.5),
    "reset": Conditions(cut=Cut(range(1, 4_000), End.RESET), share=0.5),
    "cut on the way up": Conditions(cut=Cut(range(1, 4_000), End.RESET, Direction.UP), share=0.5),
    "half closed": Conditions(cut=Cut(range(1, 4_000), End.HALF), share=0.5),
    "swallowed": Conditions(black_hole=True, share=0.5),
    "refused": Conditions(refuses=True),
    "stalled": Conditions(stalls=True, share=0.5),
}
_LINES: dict[str, Callable[[Rig], Sequence[FaultProxy]]] = {
    "the database": lambda rig: rig.database_lines,
    "the provider": lambda rig: rig.provider_lines,
    "the API": lambda rig: rig.api_lines,
    "Redis": lambda rig: [rig.redis_line],
}

LINES = tuple(
    Fault(
        f"connections to {name} are {harm}",
        partial(_apply_conditions, lines=lines, conditions=conditions),
        _no_redis if name == "Redis" else _possible,
        loses_connections=name == "the database",
    )
    for name, lines in _LINES.items()
    for harm, conditions in _HARM.items()
)

PROVIDER = (
    *(
        Fault(f"the provider: {kind}", partial(_provider, kind=kind))
        for kind in (
            "hang_before",
            "hang_after",
            "broken",
            "unavailable_html",
            "rate_limited",
            "unavailable",
            "html",
            "empty",
            "cut",
            "wrong_types",
            "reset_before",
            "reset_after",
        )
    ),
    Fault("the provider: slow body", partial(_provider, kind="slow", seconds=0.5)),
    Fault("the provider: too slow", partial(_provider, kind="slow", seconds=5.0)),
    Fault("the provider is gone", _provider_gone),
)

CLOCKS = (
    _clock_of("database", HOUR_SECONDS),
    _clock_of("database", -HOUR_SECONDS),
    _clock_of("server", HOUR_SECONDS),
    _clock_of("server", -HOUR_SECONDS),
    _clock_of("dispatcher", HOUR_SECONDS),
    _clock_of("dispatcher", -HOUR_SECONDS),
)

BESIDES = (*DATABASE[:2], PROVIDER[1], PROVIDER[4], REDIS[1])
"""What may well come together with a program's end: a machine is lost, and the line is bad."""

TWO = tuple(_at_once(kill, BESIDES[place % len(BESIDES)]) for place, kill in enumerate(KILLS))

ALL = (
    *KILLS,
    *CUTS,
    *LOST,
    *FREEZES,
    Fault("all are killed", _all_killed),
    Fault("all are restarted one after the other", restart_in_turn),
    *DATABASE,
    *REDIS,
    *LINES,
    *PROVIDER,
    *CLOCKS,
    *TWO,
)

OFTEN = 30
NODES = tuple(each for each in ALL if each.make in (fail_over, restart_in_turn))
COURSE = (*ALL, *(OFTEN - 1) * DATABASE[:2], *7 * NODES)
"""Every fault once, and some of them more often."""
