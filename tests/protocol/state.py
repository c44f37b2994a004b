"""The state of the model: plain values, so that two equal states are one state.

Fields under "truth" are known to nobody in the program: the invariants compare with them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple, TypeAlias

NOT_ACCEPTED, QUEUED, SUBMITTING, UNKNOWN = "-", "QUEUED", "SUBMITTING", "UNKNOWN"
SENT, DELIVERED, UNDELIVERED = "SENT", "DELIVERED", "UNDELIVERED"
REJECTED, CANCELLED = "REJECTED", "CANCELLED"
UNDECIDED = (SUBMITTING, UNKNOWN)
TAKEN = (SENT, DELIVERED, UNDELIVERED)
PAID_FOR = (*TAKEN, UNKNOWN)
"""Statuses in which the account that sends has paid for a routed message."""
GIVEN_BACK = (REJECTED, CANCELLED)

NO_LEASE, RUNNING, EXPIRED = "", "RUNNING", "EXPIRED"
"""The lease of a message's attempt. None: the attempt has ended, or there is none."""

IDLE, MARKED, CALLED = "IDLE", "MARKED", "CALLED"
ACCEPTED, REFUSED, NOT_SENT, NO_ANSWER = "accepted", "rejected", "not sent", "unknown"

PAUSING, READ = "PAUSING", "READ"
CHECKING, FOUND, FINISHED = "CHECKING", "FOUND", "FINISHED"

NO_ATTEMPT = 0
LOST_ATTEMPT = -1
"""An attempt that its dispatcher believes in, but whose mark was never committed."""

NOBODY = -1


class Setup(NamedTuple):
    """How large the model is, and what can go wrong in it. Amounts are units.

    `sends`: the number of messages of each send. `owned`: the client owns the provider account, so
    that its node is the pool. `marks`: after this number, a message is too old to be tried again.
    `gateway`: the provider accepts a message before its network has decided about it. `costs`: the
    messages have a route to another account, with a fallback; what each of them pays for one.
    `crashes`: of processes, and COMMITs whose answer is lost. `mistakes`: wrong transfers that
    reconcile must find.
    """

    name: str
    sends: tuple[int, ...] = (1,)
    client: int = 2
    pool: int = 1
    provider: int = 3
    price: int = 1
    owned: bool = False
    dispatchers: int = 1
    marks: int = 2
    crashes: int = 0
    syncs: int = 0
    runs: int = 0
    mistakes: int = 0
    allocations: int = 0
    cancels: bool = True
    reports: bool = False
    gateway: bool = False
    costs: tuple[int, ...] = ()


class Message(NamedTuple):
    """`epoch`: of its attempt, 0 without one. `decided`: the epoch in which it was given back.

    `refused`: a report has said that the network refused it. `account`: with a route, the one that
    it waits for or was sent by: 0 for the first, 1 for the fallback. Its epoch is 0 then, because
    no balance of these two is read.
    """

    send: int
    status: str = NOT_ACCEPTED
    attempt: int = NO_ATTEMPT
    marks: int = 0
    epoch: int = 0
    lease: str = NO_LEASE
    in_reading: bool = False
    decided: int = 0
    refused: bool = False
    account: int = 0
    # Truth: how often the provider took it, and calls after which it may have taken it. `stopped`:
    # a gateway accepted it, and its network did not.
    taken: int = 0
    calls: int = 0
    stopped: bool = False


class Send(NamedTuple):
    """The transfers of a send in units. `created`, `refunded_at`: epochs.

    `from_pool`: the last refund came from the pool's node.
    """

    stored: bool = False
    created: int = 0
    charged: int = 0
    refunded: int = 0
    refunded_at: int = 0
    from_pool: bool = False
    corrected: int = 0
    # Truth: the epoch of a wrong transfer, 0 without one.
    mistaken: int = 0


class Dispatcher(NamedTuple):
    """What one dispatcher has in memory. A crash loses it."""

    phase: str = IDLE
    message: int = 0
    attempt: int = NO_ATTEMPT
    outcome: str = ""


class Sync(NamedTuple):
    """One sync, in memory. `tries`: how often it may begin."""

    phase: str = IDLE
    reading: int = 0
    tries: int = 1


class Run(NamedTuple):
    """One run of reconcile, in memory: the sends that differed in its page, with the units."""

    phase: str = CHECKING
    suspicious: tuple[tuple[int, int], ...] = ()


class State(NamedTuple):
    """Everything. `paused_by`: the sync that has paused marking, or NOBODY.

    `carriers`: the pools of the two accounts of the route, from 0 on. `carried`: truth, what their
    providers have taken for.
    """

    messages: tuple[Message, ...]
    sends: tuple[Send, ...]
    dispatchers: tuple[Dispatcher, ...]
    syncs: tuple[Sync, ...]
    runs: tuple[Run, ...]
    client: int
    pool: int
    provider: int
    arrears: int = 0
    epoch: int = 1
    paused_by: int = NOBODY
    crashes: int = 0
    mistakes: int = 0
    allocations: int = 0
    allocated: int = 0
    carriers: tuple[int, ...] = ()
    carried: tuple[int, ...] = ()

    def of_send(self, number: int) -> list[Message]:
        """The messages of a send."""
        return [each for each in self.messages if each.send == number]

    def with_message(self, number: int, message: Message) -> State:
        """The same, with another message in this place."""
        return self._replace(messages=replaced(self.messages, number, message))

    def with_send(self, number: int, send: Send) -> State:
        """The same, with another send in this place."""
        return self._replace(sends=replaced(self.sends, number, send))


Steps: TypeAlias = Iterator[tuple[str, State]]
"""What can happen next: a sentence, and the state after it."""

Step = Callable[[Setup, State], Steps]


def replaced(items: tuple, number: int, item: object) -> tuple:  # type: ignore[type-arg]
    """The same items, with another one in this place."""
    return (*items[:number], item, *items[number + 1 :])


def start(setup: Setup) -> State:
    """Nothing is accepted yet."""
    return State(
        messages=tuple(Message(send) for send, n in enumerate(setup.sends) for _ in range(n)),
        sends=(Send(),) * len(setup.sends),
        dispatchers=(Dispatcher(),) * setup.dispatchers,
        syncs=(Sync(),) * setup.syncs,
        runs=(Run(),) * setup.runs,
        client=setup.client,
        pool=setup.pool,
        provider=setup.provider,
        crashes=setup.crashes,
        mistakes=setup.mistakes,
        allocations=setup.allocations,
        carriers=(0,) * len(setup.costs),
        carried=(0,) * len(setup.costs),
    )


def is_older(message: Message, epoch: int) -> bool:
    """Whether the attempt was marked before the last reading of the balance."""
    return 0 < message.epoch < epoch


def expected(setup: Setup, s: State, number: int) -> int:
    """What the client must have paid for a send."""
    counted = [m for m in s.of_send(number) if m.status not in GIVEN_BACK or m.in_reading]
    return len(counted) * setup.price if s.sends[number].stored else 0


def found(send: Send) -> int:
    """What the client has paid for a send."""
    return send.charged - send.refunded + send.corrected
