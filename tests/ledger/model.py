"""The ledger as a person would keep it with a pencil: plain dicts, one thing at a time.

It knows nothing of batches, locks, keys in progress, epochs of rows or SQL. Whatever the program
does at any speed has to end as this does.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
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


@dataclass
class Message:
    """`call`, `epoch`: of the mark that it is under, None where it is under none."""

    status: str = QUEUED
    call: int | None = None
    epoch: int | None = None


@dataclass
class Sent:
    """A send that was accepted. `pool`: of its client at that time."""

    client: str
    messages: list[Message]
    pool: str = POOL


@dataclass
class Model:
    """What each node holds, who is where, and what has become of each message."""

    held: dict[str, int] = field(default_factory=lambda: {POOL: 0})
    entries: Counter[str] = field(default_factory=Counter)
    group_of: dict[str, str | None] = field(default_factory=dict)
    pool_of: dict[str, str] = field(default_factory=dict)
    """Of the clients that were moved: the others are in POOL."""
    groups: list[str] = field(default_factory=list)
    sends: list[Sent] = field(default_factory=list)
    answers: dict[tuple[str, str], tuple[object, tuple[object, ...]]] = field(default_factory=dict)
    epoch: int = 0

    def move(self, source: str | None, destination: str | None, amount: int) -> None:
        """Units from a node, or outside, to a node, or outside: a line at either node."""
        for node, change in ((source, -amount), (destination, amount)):
            if node is not None:
                self.held[node] += change
                self.entries[node] += 1

    def accept(self, client: str, count: int, key: str | None, given: object) -> tuple[object, ...]:
        """The answer to one request: sent, as before, refused with the figures, or a conflict.

        A key keeps a success only: a refusal leaves it unused.
        """
        if key is not None and (client, key) in self.answers:
            then, answer = self.answers[client, key]
            return answer if then == given else ("conflict",)
        if self.held[client] < count:
            return ("refused", count, max(self.held[client], 0))
        self.move(client, None, count)
        pool = self.pool_of.get(client, POOL)
        self.sends.append(Sent(client, [Message() for _ in range(count)], pool))
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
        """These are being handed over in one call."""
        for send, place in places:
            assert self.sends[send].messages[place].status == QUEUED
            self.sends[send].messages[place] = Message(SUBMITTING, call, self.epoch)

    def learn(self, call: int | None, outcomes: Iterable[tuple[Place, str]]) -> None:
        """What outcomes make of messages; `call` None: of any call."""
        refunds: Counter[tuple[int, bool]] = Counter()
        for (send, place), outcome in outcomes:
            if call in (None, self.sends[send].messages[place].call):
                self._learn(send, place, outcome, refunds)
        # One line for each send: out of the pool where a reading had the units, or from outside.
        for (send, older), count in refunds.items():
            self.move(POOL if older else None, self.sends[send].client, count)

    def _learn(
        self, send: int, place: int, outcome: str, refunds: Counter[tuple[int, bool]]
    ) -> None:
        message = self.sends[send].messages[place]
        if message.status not in (SUBMITTING, UNKNOWN):
            return
        older = message.epoch is not None and message.epoch < self.epoch
        if outcome == ACCEPTED:
            message.status = SENT
        elif outcome == SILENT:
            message.status = UNKNOWN
        elif outcome == NOT_REACHED and message.status == SUBMITTING and not older:
            self.sends[send].messages[place] = Message()
        else:
            message.status = REJECTED
            refunds[send, older] += 1

    def cancel(self, send: int) -> int:
        """Cancels what is QUEUED. Returns how many messages of the send are CANCELLED then."""
        waiting = [each for each in self.sends[send].messages if each.status == QUEUED]
        for message in waiting:
            message.status = CANCELLED
        if waiting:
            self.move(None, self.sends[send].client, len(waiting))
        return sum(each.status == CANCELLED for each in self.sends[send].messages)

    def sync(self, reading: int) -> int:
        """By how much the pool changes."""
        change = reading - len(self.places(QUEUED, pool=POOL)) - self.pool
        if change < 0:
            self.move(POOL, None, -change)
        else:
            self.move(None, POOL, change)
        self.epoch += 1
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
        """Nobody answers any more: what was being handed over is unknown."""
        for send, place in self.places(SUBMITTING):
            self.sends[send].messages[place].status = UNKNOWN

    def places(self, *statuses: str, pool: str | None = None) -> list[Place]:
        """Which messages of which sends have one of these statuses; of one pool or of all."""
        return [
            (number, place)
            for number, send in enumerate(self.sends)
            for place, message in enumerate(send.messages)
            if message.status in statuses and pool in (None, send.pool)
        ]

    @property
    def pool(self) -> int:
        """The balance of the first pool: what its nodes hold."""
        return self.balance(POOL)

    @property
    def remaining(self) -> int:
        """What is not with clients of the first pool."""
        return self.left(POOL)

    def balance(self, pool: str) -> int:
        """What all nodes of a pool hold."""
        clients = [each for each in self.group_of if self.pool_of.get(each, POOL) == pool]
        groups = [each for each in self.held if each not in self.group_of] if pool == POOL else []
        rest = [each for each in groups if each != OTHER_POOL] or [pool]
        return sum(self.held[each] for each in [*clients, *rest])

    def left(self, pool: str) -> int:
        """What is not with the clients of a pool."""
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
