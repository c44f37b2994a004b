"""What must hold: the invariants of the ledger, as far as the model can see them.

An invariant of a state is a function of that state. One of a change also gets the state before.
"""

from __future__ import annotations

from collections.abc import Callable

from tests.protocol.state import (
    CANCELLED,
    DELIVERED,
    GIVEN_BACK,
    IDLE,
    MARKED,
    NOBODY,
    NOT_ACCEPTED,
    PAID_FOR,
    QUEUED,
    REJECTED,
    SENT,
    SUBMITTING,
    TAKEN,
    UNDELIVERED,
    UNKNOWN,
    Setup,
    State,
    expected,
    found,
    is_older,
)

# In every state


def no_client_is_below_zero(setup: Setup, s: State) -> bool:
    """A client holds nothing less than zero, except for arrears; an owned account may."""
    return setup.owned or s.client >= -s.arrears


def a_holding_is_the_sum_of_its_transfers(setup: Setup, s: State) -> bool:
    """So a send and its refunds move the client's units, and nothing else moves them."""
    moved = s.allocated - sum(found(send) for send in s.sends)
    return setup.owned or s.client == setup.client + moved


def each_message_is_charged_once(setup: Setup, s: State) -> bool:
    """One charge for each send that is accepted, also if the request is repeated."""
    return all(
        send.mistaken or send.charged == send.stored * setup.sends[number] * setup.price
        for number, send in enumerate(s.sends)
    )


def what_was_not_taken_is_refunded_once(setup: Setup, s: State) -> bool:
    """A send has paid for exactly the messages that are not REJECTED or CANCELLED."""
    return all(
        send.mistaken or found(send) == expected(setup, s, number)
        for number, send in enumerate(s.sends)
    )


def no_message_is_refunded_and_taken(setup: Setup, s: State) -> bool:
    """REJECTED and CANCELLED mean that the provider has not taken the message."""
    return not any(m.taken for m in s.messages if m.status in GIVEN_BACK)


def sent_means_taken(setup: Setup, s: State) -> bool:
    """SENT, DELIVERED and UNDELIVERED mean that the provider has taken the message.

    Or that a gateway has, and its network refuses it: then it is never DELIVERED.
    """
    return all(
        m.taken or (m.stopped and m.status != DELIVERED) for m in s.messages if m.status in TAKEN
    )


def a_message_is_sent_at_most_once(setup: Setup, s: State) -> bool:
    """At most one call after which the provider may have the message."""
    return all(m.calls <= 1 and m.taken <= 1 for m in s.messages)


def the_pool_is_what_the_provider_says(setup: Setup, s: State) -> bool:
    """The pool is the provider's balance, less what is charged and the provider has not taken.

    Messages that were submitted before the last reading and not taken are in the reading. At rest
    nothing is left to subtract.
    """
    if setup.costs:  # no message of these is sent by this account
        waiting = [m for m in s.messages if m.status in (QUEUED, SUBMITTING)]
    else:
        waiting = [
            m
            for m in s.messages
            if m.status not in (NOT_ACCEPTED, *GIVEN_BACK)
            and not m.taken
            and not is_older(m, s.epoch)
        ]
    mistakes = sum(
        found(send) - expected(setup, s, number)
        for number, send in enumerate(s.sends)
        if send.mistaken == s.epoch
    )
    never_read = setup.provider - setup.client - setup.pool if s.epoch == 1 else 0
    pool = s.client + s.pool
    return pool == s.provider - len(waiting) * setup.price - mistakes - never_read


def each_carrier_pays_for_what_it_may_have_taken(setup: Setup, s: State) -> bool:
    """An account of a route has paid for each message that is with it and SENT or UNKNOWN."""
    return all(
        pool == -cost * sum(m.account == number and m.status in PAID_FOR for m in s.messages)
        for number, (pool, cost) in enumerate(zip(s.carriers, setup.costs, strict=True))
    )


# In every change

NEXT_STATUSES = {
    NOT_ACCEPTED: {QUEUED},
    QUEUED: {SUBMITTING, CANCELLED, REJECTED},
    SUBMITTING: {QUEUED, SENT, REJECTED, UNKNOWN},
    UNKNOWN: {SENT, DELIVERED, UNDELIVERED, REJECTED},
    SENT: {DELIVERED, UNDELIVERED},
    UNDELIVERED: {DELIVERED, REJECTED},
}


def statuses_change_as_drawn(setup: Setup, before: State, after: State) -> bool:
    """UNKNOWN never leads back to QUEUED, and what is decided stays decided."""
    return all(
        new.status == old.status or new.status in NEXT_STATUSES.get(old.status, ())
        for old, new in zip(before.messages, after.messages, strict=True)
    )


def no_call_without_a_committed_attempt(setup: Setup, before: State, after: State) -> bool:
    """A call starts only for a message that is SUBMITTING by the attempt of that call."""
    for number, (old, new) in enumerate(zip(before.messages, after.messages, strict=True)):
        if new.calls > old.calls:
            marked = {(d.message, d.attempt) for d in before.dispatchers if d.phase == MARKED}
            if old.status != SUBMITTING or (number, old.attempt) not in marked:
                return False
    return True


def a_correction_leaves_no_difference(setup: Setup, before: State, after: State) -> bool:
    """Reconcile makes a send right, in one correction, and never corrects it again."""
    return all(
        new.corrected == old.corrected or found(new) == expected(setup, after, number)
        for number, (old, new) in enumerate(zip(before.sends, after.sends, strict=True))
    )


# In every state that nothing follows


def nothing_is_stuck(setup: Setup, s: State) -> bool:
    """At rest each message that was accepted is decided, and nobody waits for anybody."""
    undecided = any(
        m.status in (QUEUED, SUBMITTING, UNKNOWN) or (m.stopped and m.status not in GIVEN_BACK)
        for m in s.messages
    )
    return not undecided and s.paused_by == NOBODY and all(d.phase == IDLE for d in s.dispatchers)


def each_carrier_is_what_its_provider_says(setup: Setup, s: State) -> bool:
    """At rest, the pools of a route's accounts agree with their providers."""
    return s.carriers == s.carried


OfState = Callable[[Setup, State], bool]
OfChange = Callable[[Setup, State, State], bool]

IN_STATES: tuple[OfState, ...] = (
    no_client_is_below_zero,
    a_holding_is_the_sum_of_its_transfers,
    each_message_is_charged_once,
    what_was_not_taken_is_refunded_once,
    no_message_is_refunded_and_taken,
    sent_means_taken,
    a_message_is_sent_at_most_once,
    the_pool_is_what_the_provider_says,
    each_carrier_pays_for_what_it_may_have_taken,
)
IN_CHANGES: tuple[OfChange, ...] = (
    statuses_change_as_drawn,
    no_call_without_a_committed_attempt,
    a_correction_leaves_no_difference,
)
AT_REST: tuple[OfState, ...] = (nothing_is_stuck, each_carrier_is_what_its_provider_says)
