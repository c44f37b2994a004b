"""A simple model of the ledger: plain dicts, one operation at a time.

It knows nothing of batches, locks, keys in progress, epochs of rows or SQL. The program must end in
the same state, at any speed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import TypeAlias

Place: TypeAlias = tuple[int, int]
"""A send's number, and a message's place in it."""

POOL, OTHER_POOL = "pool", "other pool"

QUEUED, SUBMITTING, SENT, REJECTED, UNKNOWN, CANCELLED = (
    "QUEUED",
    "SUBMITTING",
    "SENT",
    "REJECTED",
    "UNKNOWN",
    "CANCELLED",
)
ACCEPTED, REFUSED, NOT_REACHED, SILENT = "accepted", "refused", "not reached", "silent"
OUTCOMES = (ACCEPTED, REFUSED, NOT_REACHED, SILENT)
TAKEN = (SENT, UNKNOWN)
"""The provider has the message, or may have it."""

ROUTE_COST = 2
"""What a routed message costs the other pool. Each message costs its client 1."""


@dataclass
class Message:
    """`call`, `epoch`: of its present mark, None without one. `cost`: what the other pool paid."""

    status: str = QUEUED
    call: int | None = None
    epoch: int | None = None
    cost: int = 0


@dataclass
class Sent:
    """A send that was accepted. `pool`: of its client at that time. `by`: the pool that sends."""

    client: str
    messages: list[Message]
    pool: str
    by: str

    @property
    def is_routed(self) -> bool:
        """Whether another account sends it than that of its client's pool."""
        return self.by != self.pool


@dataclass
class Model:
    """What each node holds, the pool of each client, and the status of each message."""

    held: dict[str, int] = field(default_factory=lambda: {POOL: 0})
    entries: Counter[str] = field(default_factory=Counter)
    group_of: dict[str, str | None] = field(default_factory=dict)
    pool_of: dict[str, str] = field(default_factory=dict)
    """Of the clients that were moved: the others are in POOL."""
    groups: list[str] = field(default_factory=list)
    sends: list[Sent] = field(default_factory=list)
    answers: dict[tuple[str, str], tuple[object, tuple[object, ...]]] = field(default_factory=dict)
    epochs: Counter[str] = field(default_factory=Counter)
    """Of each pool, how often its provider was read."""

    def move(self, source: str | None, destination: str | None, amount: int) -> None:
        """Moves units between two nodes, or a node and outside. Adds a line to each node."""
        for node, change in ((source, -amount), (destination, amount)):
            if node is not None:
                self.held[node] += change
                self.entries[node] += 1

    def accept(
        self, client: str, count: int, key: str | None, given: object, *, is_routed: bool
    ) -> tuple[object, ...]:
        """The answer to one request: sent, as before, refused with the figures, or a conflict.

        A key keeps a success only: a refusal leaves it unused. The first pool has a route.
        """
        if key is not None and (client, key) in self.answers:
            then, answer = self.answers[client, key]
            return answer if then == given else ("conflict",)
        if self.held[client] < count:
            return ("refused", count, max(self.held[client], 0))
        self.move(client, None, count)
        pool = self.pool_of.get(client, POOL)
        by = OTHER_POOL if is_routed else pool
        self.sends.append(Sent(client, [Message() for _ in range(count)], pool, by))
        answer = ("sent", len(self.sends) - 1)
        if key is not None:
            self.answers[client, key] = (given, answer)
        return answer

    def allocate(self, giver: str, taker: str, units: int) -> tuple[object, ...]:
        """The answer of an allocation."""
        source, destination = (giver, taker) if units > 0 else (taker, giver)
        if self.held[source] < abs(units):
            return ("refused", abs(units), max(self.held[source], 0))
        self.move(source, destination, abs(units))
        return ("moved", self.held[source], self.held[destination])

    def mark(self, call: int, places: Iterable[Place]) -> None:
        """Submits these messages in one call."""
        for number, place in places:
            send = self.sends[number]
            assert send.messages[place].status == QUEUED
            send.messages[place] = Message(SUBMITTING, call, self.epochs[send.by])

    def learn(self, call: int | None, outcomes: Iterable[tuple[Place, str]]) -> None:
        """Applies outcomes to messages. `call` None: of any call."""
        refunds: Counter[tuple[int, bool]] = Counter()
        credits: Counter[int] = Counter()
        costs: Counter[int] = Counter()
        for (number, place), outcome in outcomes:
            send = self.sends[number]
            before = send.messages[place]
            if call not in (None, before.call) or before.status not in (SUBMITTING, UNKNOWN):
                continue
            older = before.epoch is not None and before.epoch < self.epochs[send.by]
            after = send.messages[place] = _learned(before, outcome, older=older)
            if after.status == REJECTED:
                # The client's pool has the units already if a reading of its provider saw them.
                refunds[number, older and not send.is_routed] += 1
            if send.is_routed:
                change = (after.status in TAKEN) - (before.status in TAKEN)
                credits[number] += change
                if not older:
                    after.cost = before.cost + change * ROUTE_COST
                    costs[number] += after.cost - before.cost
        # One line for each send: from the pool if a reading put the units there, or outside.
        for (number, older), count in refunds.items():
            send = self.sends[number]
            self.move(send.pool if older else None, send.client, count)
        for number, units in credits.items():
            self._move_at(self.sends[number].pool, units)
        for number, units in costs.items():
            self._move_at(self.sends[number].by, -units)

    def _move_at(self, node: str, units: int) -> None:
        """Units that a node gets from outside, or gives. No line if there are none."""
        if units > 0:
            self.move(None, node, units)
        elif units < 0:
            self.move(node, None, -units)

    def cancel(self, send: int) -> int:
        """Cancels what is QUEUED. Returns how many messages of the send are CANCELLED then."""
        waiting = [each for each in self.sends[send].messages if each.status == QUEUED]
        for message in waiting:
            message.status = CANCELLED
        if waiting:
            self.move(None, self.sends[send].client, len(waiting))
        return sum(each.status == CANCELLED for each in self.sends[send].messages)

    def in_flight(self, pool: str) -> int:
        """What its clients were charged for and its provider, or that of a route, has not taken."""
        return sum(
            message.status == QUEUED or (message.status == SUBMITTING and send.is_routed)
            for send in self.sends
            if send.pool == pool
            for message in send.messages
        )

    def sync(self, pool: str, reading: int) -> int:
        """The change of the pool."""
        change = reading - self.in_flight(pool) - self.balance(pool)
        if change < 0:
            self.move(pool, None, -change)
        else:
            self.move(None, pool, change)
        self.epochs[pool] += 1
        return change

    def move_client(self, client: str, pool: str) -> bool:
        """Whether the client is in that pool then: under a new node that has no lines."""
        if self.pool_of.get(client, POOL) == pool:
            return True
        open_ = [
            place
            for place in self.places(QUEUED, SUBMITTING, UNKNOWN)
            if self.sends[place[0]].client == client
        ]
        if self.held[client] or open_ or self.group_of[client] is not None:
            return False
        self.pool_of[client] = pool
        former = sum(name.startswith(f"{client} before") for name in self.entries)
        self.entries[f"{client} before {former}"] = self.entries.pop(client, 0)
        return True

    def doubt(self) -> None:
        """All open calls are lost: their messages become UNKNOWN."""
        self.learn(None, [(place, SILENT) for place in self.places(SUBMITTING)])

    def places(self, *statuses: str, by: str | None = None) -> list[Place]:
        """Which messages have one of these statuses: those that a pool's provider sends, or all."""
        return [
            (number, place)
            for number, send in enumerate(self.sends)
            for place, message in enumerate(send.messages)
            if message.status in statuses and by in (None, send.by)
        ]

    @property
    def pool(self) -> int:
        """The balance of the first pool: what its nodes hold."""
        return self.balance(POOL)

    @property
    def remaining(self) -> int:
        """The units of the first pool that are not allocated."""
        return self.left(POOL)

    def balance(self, pool: str) -> int:
        """What all nodes of a pool hold."""
        clients = [each for each in self.group_of if self.pool_of.get(each, POOL) == pool]
        groups = [each for each in self.held if each not in self.group_of] if pool == POOL else []
        rest = [each for each in groups if each != OTHER_POOL] or [pool]
        return sum(self.held[each] for each in [*clients, *rest])

    def left(self, pool: str) -> int:
        """The units of a pool that are not allocated."""
        return self.balance(pool) - sum(
            self.held[each] for each in self.group_of if self.pool_of.get(each, POOL) == pool
        )

    def group(self, group: str) -> int:
        """The balance of a group: what it holds and what its members hold."""
        members = [client for client, of in self.group_of.items() if of == group]
        return self.held[group] + sum(self.held[client] for client in members)

    def statuses(self) -> Counter[str]:
        """How many messages are in which status."""
        return Counter(each.status for send in self.sends for each in send.messages)


def _learned(message: Message, outcome: str, *, older: bool) -> Message:
    """The message after an outcome. `older`: the balance was read after it was marked."""
    if outcome == ACCEPTED:
        return replace(message, status=SENT)
    if outcome == SILENT:
        return replace(message, status=UNKNOWN)
    if outcome == NOT_REACHED and message.status == SUBMITTING and not older:
        return Message()
    return replace(message, status=REJECTED)
