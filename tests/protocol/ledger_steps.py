"""The steps of sync and reconcile, in the form of `message_steps`."""

from __future__ import annotations

from tests.protocol.state import (
    CHECKING,
    FINISHED,
    FOUND,
    GIVEN_BACK,
    IDLE,
    NOBODY,
    PAUSING,
    QUEUED,
    READ,
    RUNNING,
    SUBMITTING,
    Run,
    Setup,
    State,
    Step,
    Steps,
    expected,
    found,
    is_older,
    replaced,
)

# Sync


def pause(setup: Setup, s: State) -> Steps:
    """A sync begins: it pauses marking."""
    for which, sync in enumerate(s.syncs):
        if sync.phase == IDLE and sync.tries and s.paused_by == NOBODY:
            begun = sync._replace(phase=PAUSING, tries=sync.tries - 1)
            yield (
                f"sync {which} pauses marking",
                s._replace(syncs=replaced(s.syncs, which, begun), paused_by=which),
            )


def read(setup: Setup, s: State) -> Steps:
    """Reads the provider's balance when no call is open."""
    for which, sync in enumerate(s.syncs):
        if sync.phase != PAUSING:
            continue
        if not setup.costs and any(message.lease == RUNNING for message in s.messages):
            continue  # calls of a route's accounts are not waited for
        after = sync._replace(phase=READ, reading=s.provider)
        yield (
            f"sync {which} reads {s.provider}",
            s._replace(syncs=replaced(s.syncs, which, after)),
        )


def write(setup: Setup, s: State) -> Steps:
    """Sets the pool to the reading without what is in flight, if the pause has not expired."""
    for which, sync in enumerate(s.syncs):
        if sync.phase != READ:
            continue
        after = s._replace(syncs=replaced(s.syncs, which, sync._replace(phase=IDLE, reading=0)))
        if s.paused_by != which:
            yield f"sync {which} starts over: its pause has expired", after
            continue
        in_flight = setup.price * sum(m.status == QUEUED for m in s.messages)
        if setup.costs:
            # A routed message is in flight here until another account has taken it.
            in_flight += setup.price * sum(m.status == SUBMITTING for m in s.messages)
        change = sync.reading - in_flight - (s.client + s.pool)
        moved = (
            after._replace(client=s.client + change)
            if setup.owned
            else after._replace(pool=s.pool + change)
        )
        yield f"sync {which} writes", moved._replace(epoch=s.epoch + 1, paused_by=NOBODY)


def pause_expires(setup: Setup, s: State) -> Steps:
    """The pause of a slow or dead sync ends by itself."""
    if s.paused_by != NOBODY:
        yield f"the pause of sync {s.paused_by} expires", s._replace(paused_by=NOBODY)


# Reconcile


def check(setup: Setup, s: State) -> Steps:
    """A run looks at its page without locks."""
    for which, run in enumerate(s.runs):
        if run.phase != CHECKING:
            continue
        units = [expected(setup, s, n) - found(send) for n, send in enumerate(s.sends)]
        suspicious = tuple((n, each) for n, each in enumerate(units) if each)
        after = Run(FOUND, suspicious) if suspicious else Run(FINISHED)
        yield (
            f"run {which} of reconcile checks: {len(suspicious)} differ",
            s._replace(runs=replaced(s.runs, which, after)),
        )


def correct(setup: Setup, s: State) -> Steps:
    """A run checks a send again under locks, and corrects it in the same transaction."""
    for which, run in enumerate(s.runs):
        if run.phase != FOUND:
            continue
        (number, units), *rest = run.suspicious
        units = expected(setup, s, number) - found(s.sends[number])
        after = Run(FOUND, tuple(rest)) if rest else Run(FINISHED)
        corrected = _corrected(setup, s, number, units)._replace(
            runs=replaced(s.runs, which, after)
        )
        yield f"run {which} of reconcile corrects send {number} by {units:+}", corrected
        if s.crashes:
            yield (
                f"run {which} of reconcile corrects send {number} by {units:+}, dies, starts again",
                corrected._replace(
                    runs=replaced(s.runs, which, Run(CHECKING)), crashes=s.crashes - 1
                ),
            )


def _corrected(setup: Setup, s: State, number: int, units: int) -> State:
    """Moves the units between the client and outside, or the pool if a reading includes them."""
    send = s.sends[number]
    through_pool = _is_in_reading(setup, s, number)
    after = s.with_send(number, send._replace(corrected=send.corrected + units))
    if through_pool and setup.owned:
        return after  # the difference is stored, and nothing moves
    pool = s.pool + units if through_pool else s.pool
    return _with_arrears(after._replace(client=s.client - units, pool=pool))


def _is_in_reading(setup: Setup, s: State, number: int) -> bool:
    """Whether the last reading already includes what is missing or too much."""
    send = s.sends[number]
    given_back = [m for m in s.of_send(number) if m.status in GIVEN_BACK and not m.in_reading]
    if send.charged != setup.sends[number] * setup.price:
        return send.created < s.epoch
    if send.refunded < len(given_back) * setup.price:
        marked = [m for m in given_back if m.epoch]
        all_older = bool(marked) and all(is_older(m, s.epoch) for m in marked)
        return all_older or max(m.decided for m in given_back) < s.epoch
    return send.from_pool or send.refunded_at < s.epoch


def _with_arrears(s: State) -> State:
    """Arrears are what the client is below zero, and only reconcile lets them grow."""
    return s._replace(arrears=max(-s.client, 0))


STEPS: tuple[Step, ...] = (pause, read, write, pause_expires, check, correct)
