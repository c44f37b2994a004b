"""The steps of messages: accepted, submitted, recorded, swept, settled, reported.

Each function yields what can happen next: a sentence and a state. A step is what the program does
in one transaction, in one call, or in memory between two of them. The lines with `if` and
`continue` are the guards. docs/model.md names the code of each step.
"""

from __future__ import annotations

from functools import wraps

from tests.protocol.state import (
    ACCEPTED,
    CALLED,
    CANCELLED,
    DELIVERED,
    EXPIRED,
    IDLE,
    LOST_ATTEMPT,
    MARKED,
    NO_ANSWER,
    NO_ATTEMPT,
    NO_LEASE,
    NOBODY,
    NOT_ACCEPTED,
    NOT_SENT,
    PAID_FOR,
    QUEUED,
    REFUSED,
    REJECTED,
    RUNNING,
    SENT,
    SUBMITTING,
    UNDECIDED,
    UNDELIVERED,
    UNKNOWN,
    Dispatcher,
    Setup,
    State,
    Step,
    Steps,
    is_older,
    replaced,
)

# Accepting


def accept(setup: Setup, s: State) -> Steps:
    """A client asks for a send. It repeats the request with the same key at any time."""
    for number, send in enumerate(s.sends):
        cost = setup.sends[number] * setup.price
        if send.stored:
            continue  # the key answers as before
        if s.client < cost:
            continue  # refused: nothing is kept, the key stays unused
        yield f"send {number} is accepted", _accepted(s, number, cost)
        if s.mistakes:
            for charge in (cost - 1, min(cost + 1, s.client)):
                wrong = _mistaken(_accepted(s, number, charge), number, s.epoch)
                yield f"send {number} is accepted, and charged {charge} by mistake", wrong


def _accepted(s: State, number: int, charge: int) -> State:
    send = s.sends[number]
    queued = tuple(
        each._replace(status=QUEUED)
        if each.send == number and each.status == NOT_ACCEPTED
        else each
        for each in s.messages
    )
    charged = send._replace(stored=True, created=s.epoch, charged=send.charged + charge)
    return s.with_send(number, charged)._replace(messages=queued, client=s.client - charge)


def allocate(setup: Setup, s: State) -> Steps:
    """The operator gives one unit to the client."""
    if s.allocations and s.pool >= 1:
        given = s._replace(client=s.client + 1, pool=s.pool - 1, allocated=s.allocated + 1)
        yield "1 unit is allocated", given._replace(allocations=s.allocations - 1)


def cancel(setup: Setup, s: State) -> Steps:
    """A client cancels what is not submitted yet. (One message at a time is the harder case.)"""
    for number, message in enumerate(s.messages):
        if not setup.cancels or message.status != QUEUED:
            continue
        yield from _given_back(setup, s, number, CANCELLED, f"message {number} is cancelled")


# A dispatcher


def mark(setup: Setup, s: State) -> Steps:
    """Claims and marks in one transaction: the attempt is committed before any byte is sent."""
    if s.paused_by != NOBODY:
        return
    for number, message in enumerate(s.messages):
        if message.status != QUEUED or message.marks == setup.marks:
            continue
        epoch = 0 if setup.costs else s.epoch
        for which, dispatcher in enumerate(s.dispatchers):
            if dispatcher.phase != IDLE:
                continue
            attempt = message.marks + 1
            marked = s.with_message(
                number,
                message._replace(
                    status=SUBMITTING, attempt=attempt, marks=attempt, epoch=epoch, lease=RUNNING
                ),
            )
            yield (
                f"message {number} is marked",
                _with(marked, which, Dispatcher(MARKED, number, attempt)),
            )
            if s.crashes:
                yield from _mark_lost(s, marked, which, Dispatcher(MARKED, number, attempt))
            break  # all idle dispatchers are alike


def _mark_lost(s: State, marked: State, which: int, dispatcher: Dispatcher) -> Steps:
    """The COMMIT got no answer: the call is not made, and recorded as not sent."""
    unsure = dispatcher._replace(phase=CALLED, outcome=NOT_SENT)
    less = s.crashes - 1
    yield (
        f"message {dispatcher.message} is marked, and the answer to COMMIT is lost",
        _with(marked, which, unsure)._replace(crashes=less),
    )
    yield (
        f"the mark of message {dispatcher.message} is lost",
        _with(s, which, unsure._replace(attempt=LOST_ATTEMPT))._replace(crashes=less),
    )


def call(setup: Setup, s: State) -> Steps:
    """Calls the provider, once. Nothing is committed until the outcome is recorded."""
    for which, dispatcher in enumerate(s.dispatchers):
        if dispatcher.phase != MARKED:
            continue
        number = dispatcher.message
        message = s.messages[number]
        called = dispatcher._replace(phase=CALLED)
        if message.lease != RUNNING:
            late = _with(s, which, called._replace(outcome=NOT_SENT))
            yield f"the call for message {number} is too late and not made", late
            continue
        for taken, outcome, stopped in POSSIBLE_CALLS:
            if stopped and not setup.gateway:
                continue
            after = message._replace(
                taken=message.taken + taken,
                calls=message.calls + (outcome != NOT_SENT),
                stopped=stopped,
            )
            done = _with(s.with_message(number, after), which, called._replace(outcome=outcome))
            what = "taken" if taken else "refused by the network" if stopped else "not taken"
            if setup.costs:
                cost = taken * setup.costs[message.account]
                done = done._replace(carried=_changed(s.carried, message.account, -cost))
            else:
                done = done._replace(provider=s.provider - taken * setup.price)
            yield f"the call for message {number}: {what}, {outcome}", done


POSSIBLE_CALLS = (
    (1, ACCEPTED, False),
    (1, NO_ANSWER, False),
    (0, REFUSED, False),
    (0, NOT_SENT, False),
    (0, NO_ANSWER, False),
    (0, ACCEPTED, True),
    (0, NO_ANSWER, True),
)
"""Whether the provider takes the message, what its caller learns, and whether it stops later."""


def record(setup: Setup, s: State) -> Steps:
    """Records the outcome of a call, if the attempt still decides its message."""
    for which, dispatcher in enumerate(s.dispatchers):
        if dispatcher.phase != CALLED:
            continue
        number, message = dispatcher.message, s.messages[dispatcher.message]
        idle = _with(s, which, Dispatcher())
        if message.attempt != dispatcher.attempt or message.status not in UNDECIDED:
            yield f"the outcome of message {number} changes nothing", idle
            continue
        for what, after in _decided(setup, idle, number, dispatcher.outcome):
            yield what, after
            if s.crashes:
                again = after._replace(dispatchers=s.dispatchers, crashes=s.crashes - 1)
                yield f"{what}, and the answer to COMMIT is lost", again


def _decided(setup: Setup, s: State, number: int, outcome: str) -> Steps:
    """What follows from an outcome: the table of docs/decisions/0010."""
    message = s.messages[number]
    unclear = message.status == UNKNOWN or is_older(message, s.epoch)
    ended = message._replace(lease=NO_LEASE)
    what = f"message {number} is recorded as"
    if outcome == ACCEPTED:
        yield f"{what} SENT", s.with_message(number, ended._replace(status=SENT))
    elif outcome == NO_ANSWER:
        yield f"{what} UNKNOWN", s.with_message(number, ended._replace(status=UNKNOWN))
    elif outcome == NOT_SENT and not unclear and message.marks < setup.marks:
        queued = ended._replace(status=QUEUED, attempt=NO_ATTEMPT, epoch=0)
        yield f"{what} QUEUED again", s.with_message(number, queued)
        if setup.costs and not message.account:
            yield f"{what} QUEUED there", s.with_message(number, queued._replace(account=1))
    else:
        yield from _given_back(setup, s, number, REJECTED, f"{what} REJECTED")


def divert(setup: Setup, s: State) -> Steps:
    """Moves what waits for an account that cannot send to the fallback of its route."""
    for number, message in enumerate(s.messages):
        if setup.costs and message.status == QUEUED and not message.account:
            moved = message._replace(account=1)
            yield f"message {number} is moved to the fallback", s.with_message(number, moved)


def give_up(setup: Setup, s: State) -> Steps:
    """Rejects a message that was tried and is too old."""
    for number, message in enumerate(s.messages):
        if message.status == QUEUED and message.marks > 0:
            yield from _given_back(setup, s, number, REJECTED, f"message {number} is given up")


def crash(setup: Setup, s: State) -> Steps:
    """A dispatcher dies and forgets everything. Another one starts in its place."""
    for which, dispatcher in enumerate(s.dispatchers):
        if s.crashes and dispatcher.phase != IDLE:
            gone = _with(s, which, Dispatcher())._replace(crashes=s.crashes - 1)
            yield f"the dispatcher of message {dispatcher.message} crashes", gone


def expire(setup: Setup, s: State) -> Steps:
    """Time passes. A lease can expire at any time: its dispatcher may be suspended or slow."""
    for number, message in enumerate(s.messages):
        if message.lease == RUNNING:
            over = message._replace(lease=EXPIRED)
            yield f"the lease of message {number} expires", s.with_message(number, over)


def sweep(setup: Setup, s: State) -> Steps:
    """Makes a message UNKNOWN if its lease has expired."""
    for number, message in enumerate(s.messages):
        if message.lease == EXPIRED and message.status == SUBMITTING:
            swept = message._replace(status=UNKNOWN, lease=NO_LEASE)
            yield f"message {number} is swept", s.with_message(number, swept)


# Late results


def settle(setup: Setup, s: State) -> Steps:
    """A person finds out whether an UNKNOWN message was sent, and settles it."""
    for number, message in enumerate(s.messages):
        if message.status != UNKNOWN:
            continue
        if message.taken:
            yield (
                f"message {number} is settled as SENT",
                s.with_message(number, message._replace(status=SENT)),
            )
        else:
            what = f"message {number} is settled as REJECTED"
            yield from _given_back(setup, s, number, REJECTED, what)


def report(setup: Setup, s: State) -> Steps:
    """A delivery report about a message that the provider took: early, late, twice."""
    for number, message in enumerate(s.messages):
        if not setup.reports or not message.taken:
            continue
        for word in ("taken", "delivered", "failed"):
            status = AFTER_REPORT.get((message.status, word))
            if status is None:
                continue  # it waits, or it changes nothing
            yield (
                f"a report says that message {number} is {word}",
                s.with_message(number, message._replace(status=status)),
            )


def report_refusal(setup: Setup, s: State) -> Steps:
    """A gateway reports that its network refused a message: early, late, twice."""
    for number, message in enumerate(s.messages):
        if message.stopped and message.status in (UNKNOWN, SENT):
            refused = message._replace(status=UNDELIVERED, refused=True, lease=NO_LEASE)
            yield f"a report says that message {number} is refused", s.with_message(number, refused)


def refund_refusal(setup: Setup, s: State) -> Steps:
    """Refunds what only a refusal was reported about. The wait before that is not modelled."""
    for number, message in enumerate(s.messages):
        if message.status == UNDELIVERED and message.refused:
            yield from _given_back(setup, s, number, REJECTED, f"message {number} is refunded late")


AFTER_REPORT = {
    (UNKNOWN, "taken"): SENT,
    (UNKNOWN, "delivered"): DELIVERED,
    (UNKNOWN, "failed"): UNDELIVERED,
    (SENT, "delivered"): DELIVERED,
    (SENT, "failed"): UNDELIVERED,
    (UNDELIVERED, "delivered"): DELIVERED,
}


# What several steps do


def _given_back(setup: Setup, s: State, number: int, status: str, what: str) -> Steps:
    """REJECTED or CANCELLED, with the refund in the same transaction."""
    message = s.messages[number]
    older = is_older(message, s.epoch)
    decided = message._replace(status=status, lease=NO_LEASE, decided=s.epoch)
    if older and setup.owned:
        # The client's node is the pool: a reading has given the units back already.
        yield what, s.with_message(number, decided._replace(in_reading=True))
        return
    after = s.with_message(number, decided)
    yield what, _refunded(setup, after, message.send, older=older)
    if s.mistakes:
        then = message.epoch or s.epoch
        yield f"{what} without a refund", _mistaken(after, message.send, then)
        twice = _refunded(setup, after, message.send, older=older)
        twice = _refunded(setup, twice, message.send, older=older)
        yield f"{what} with two refunds", _mistaken(twice, message.send, then)


def _refunded(setup: Setup, s: State, number: int, *, older: bool) -> State:
    """The price goes back to the client: from the pool if a reading has put it there."""
    send, price = s.sends[number], setup.price
    pool = s.pool - price if older else s.pool
    client = s.client + price
    refunded = send._replace(refunded=send.refunded + price, refunded_at=s.epoch, from_pool=older)
    after = s.with_send(number, refunded)
    return after._replace(client=client, pool=pool, arrears=min(s.arrears, max(-client, 0)))


def _mistaken(s: State, number: int, epoch: int) -> State:
    return s.with_send(number, s.sends[number]._replace(mistaken=epoch))._replace(
        mistakes=s.mistakes - 1
    )


def carrying(step: Step) -> Step:
    """The step, with what a route moves in the same transaction: docs/decisions/0184."""

    @wraps(step)
    def with_routes(setup: Setup, s: State) -> Steps:
        for sentence, after in step(setup, s):
            yield sentence, _carried(setup, s, after) if setup.costs else after

    return with_routes


def _carried(setup: Setup, before: State, after: State) -> State:
    for old, new in zip(before.messages, after.messages, strict=True):
        paid = (new.status in PAID_FOR) - (old.status in PAID_FOR)
        if paid:
            cost = paid * setup.costs[new.account]
            after = after._replace(
                pool=after.pool + paid * setup.price,
                carriers=_changed(after.carriers, new.account, -cost),
            )
    return after


def _changed(pools: tuple[int, ...], number: int, units: int) -> tuple[int, ...]:
    return replaced(pools, number, pools[number] + units)


def _with(s: State, which: int, dispatcher: Dispatcher) -> State:
    """The same, with another memory of this dispatcher. Sorted: dispatchers are alike."""
    return s._replace(dispatchers=tuple(sorted(replaced(s.dispatchers, which, dispatcher))))


STEPS: tuple[Step, ...] = (
    accept,
    allocate,
    cancel,
    mark,
    call,
    carrying(record),
    divert,
    give_up,
    crash,
    expire,
    carrying(sweep),
    carrying(settle),
    report,
    carrying(report_refusal),
    carrying(refund_refusal),
)
