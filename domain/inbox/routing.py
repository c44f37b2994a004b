"""Whose an inbound message is: the first rule that fits, and never a guess across tenants.

1. The number that received it is assigned to a client.
2. Its line (modem and port) is set by hand to be a client's.
3. The client whose conversation with the sender was last active on that line.
4. The client that alone has been seen on that line, unless another one wrote to the sender in the
   last 30 days: on a shared line somebody is always the first to be seen (docs/decisions/0030).
5. The client that alone wrote to the sender in the last 30 days.

Else nobody's: the operator sees it, and can assign it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from domain.sending.sends import Line

WRITERS_DAYS = 30

BY_NUMBER = "The number that received it is assigned to this client."
BY_HAND = "This modem and port are set by hand to be this client's."
BY_CONVERSATION = "This client's conversation with the sender was the last active one on this line."
BY_LINE = "This client alone has been seen on this line."
BY_WRITING = "This client alone wrote to the sender in the last 30 days."
SEVERAL_WROTE = "Several clients wrote to the sender lately, and nothing tells which one is meant."
NOBODY = "No assigned number, line, conversation or recent message points to one client."


@dataclass(frozen=True, slots=True)
class Routed:
    """It is this client's. `reason`: the rule that decided, in words."""

    client_id: UUID
    reason: str


@dataclass(frozen=True, slots=True)
class Unrouted:
    """Nobody could be found for it."""

    reason: str


@dataclass(frozen=True, slots=True)
class NotYet:
    """Who wrote to the sender is not all known yet: to be asked again in a moment."""


@dataclass(frozen=True, slots=True)
class Traces:
    """What points to clients, for one inbound message.

    `talking`: clients whose conversation with the sender was active on the line, the last first.
    `seen`: clients seen on the line. `writers`: clients that wrote to the sender lately.
    `complete`: all that was sent before the message came stands in them.
    """

    assigned: UUID | None = None
    by_hand: UUID | None = None
    talking: Sequence[UUID] = ()
    seen: Collection[UUID] = ()
    writers: Collection[UUID] = ()
    complete: bool = True


def route(traces: Traces) -> Routed | Unrouted | NotYet:
    """Whose the message is, by the first rule that fits."""
    if traces.assigned is not None:
        return Routed(traces.assigned, BY_NUMBER)
    if traces.by_hand is not None:
        return Routed(traces.by_hand, BY_HAND)
    if len(traces.talking) > 1 and not traces.complete:
        return NotYet()  # a reply that just left may have made another one the last
    if traces.talking:
        return Routed(traces.talking[0], BY_CONVERSATION)
    if not traces.complete:
        return NotYet()
    if len(traces.seen) == 1 and set(traces.writers) <= set(traces.seen):
        return Routed(next(iter(traces.seen)), BY_LINE)
    if len(traces.writers) == 1:
        return Routed(next(iter(traces.writers)), BY_WRITING)
    return Unrouted(SEVERAL_WROTE if traces.writers else NOBODY)


@dataclass(slots=True)
class Signposts:
    """What points to clients, for all messages of a batch; it learns as they are routed.

    `assigned` by number; `by_hand` and `seen` by line; `talking` by sender and line, the last
    active first; `writers` by sender.
    """

    assigned: dict[str, UUID] = field(default_factory=dict)
    by_hand: dict[Line, UUID] = field(default_factory=dict)
    seen: dict[Line, set[UUID]] = field(default_factory=dict)
    talking: dict[tuple[str, Line], list[UUID]] = field(default_factory=dict)
    writers: dict[str, set[UUID]] = field(default_factory=dict)

    def traces(
        self, *, sender: str, receiver: str | None, line: Line | None, complete: bool
    ) -> Traces:
        """What points to clients for one message. Numbers are E.164."""
        return Traces(
            assigned=self.assigned.get(receiver) if receiver else None,
            by_hand=self.by_hand.get(line) if line else None,
            talking=self.talking.get((sender, line), ()) if line else (),
            seen=self.seen.get(line, ()) if line else (),
            writers=self.writers.get(sender, ()),
            complete=complete,
        )

    def learn(self, *, sender: str, line: Line | None, client_id: UUID) -> None:
        """The client has been seen on the line, in a conversation with the sender."""
        if line is None:
            return
        self.seen.setdefault(line, set()).add(client_id)
        talking = self.talking.setdefault((sender, line), [])
        if client_id in talking:
            talking.remove(client_id)
        talking.insert(0, client_id)
