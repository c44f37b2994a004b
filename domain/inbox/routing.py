"""Decides which client an inbound message belongs to. It never guesses between two clients.

The first rule that matches decides:

1. The number that received it is assigned to a client.
2. Its line (modem and port) is assigned to a client by hand.
3. The client whose conversation with the sender was last active on that line.
4. The only client that has been seen on that line, unless another client sent to the sender in the
   last 30 days: on a shared line, one client is always seen first (docs/decisions/0030).
5. The only client that sent to the sender in the last 30 days.

If it is not known to which account the message was sent, it has no line, unless rule 2 applies:
each account can have a line of the same name (docs/decisions/0245).

If no rule matches, only the operator sees the message, and can assign it. Rules 3 to 5 do not apply
to a sender without a phone number (docs/decisions/0085).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from domain.inbox.senders import Sender
from domain.sending.messages import Line

WRITERS_DAYS = 30

BY_NUMBER = "The number that received it is assigned to this client."
BY_HAND = "This modem and port are assigned to this client by hand."
BY_CONVERSATION = "This client's conversation with the sender was last active on this line."
BY_LINE = "This client is the only one that has been seen on this line."
BY_WRITING = "This client is the only one that sent to the sender in the last 30 days."
SEVERAL_WROTE = "Several clients sent to the sender in the last 30 days."
NOBODY = "No assigned number, line, conversation or recent message points to one client."
NO_NUMBER = "The sender is not a phone number, and no assigned number or line points to a client."
WHICH_ACCOUNT = (
    "There are several accounts at this provider, and the call does not name one of them: use the"
    " webhookPath of each account."
)
SEVERAL_NUMBERS = "The sender can be read as several numbers that clients have sent to."


@dataclass(frozen=True, slots=True)
class Routed:
    """It belongs to this client. `reason`: the rule that decided."""

    client_id: UUID
    reason: str


@dataclass(frozen=True, slots=True)
class Unrouted:
    """No rule matches."""

    reason: str


@dataclass(frozen=True, slots=True)
class DecideLater:
    """Recent sends are not captured yet: decide again in a moment."""


@dataclass(frozen=True, slots=True)
class Candidates:
    """The clients that one message may belong to, by rule.

    `talking`: clients in conversation with the sender on the line, last active first. `seen`:
    clients seen on the line. `writers`: clients that sent to the sender lately. `complete`: these
    include every send that was accepted before the message came.
    """

    assigned: UUID | None = None
    by_hand: UUID | None = None
    talking: Sequence[UUID] = ()
    seen: Collection[UUID] = ()
    writers: Collection[UUID] = ()
    complete: bool = True


def route(candidates: Candidates) -> Routed | Unrouted | DecideLater:
    """The client of a message, by the first rule that matches."""
    fixed = route_by_receiver(candidates)
    if fixed is not None:
        return fixed
    if len(candidates.talking) > 1 and not candidates.complete:
        return DecideLater()  # a reply that just left may have changed which one was last active
    if candidates.talking:
        return Routed(candidates.talking[0], BY_CONVERSATION)
    if not candidates.complete:
        return DecideLater()
    if len(candidates.seen) == 1 and set(candidates.writers) <= set(candidates.seen):
        return Routed(next(iter(candidates.seen)), BY_LINE)
    if len(candidates.writers) == 1:
        return Routed(next(iter(candidates.writers)), BY_WRITING)
    return Unrouted(SEVERAL_WROTE if candidates.writers else NOBODY)


def route_by_receiver(candidates: Candidates) -> Routed | None:
    """The client that receives all messages of the number or line, from any sender: rules 1, 2."""
    if candidates.assigned is not None:
        return Routed(candidates.assigned, BY_NUMBER)
    if candidates.by_hand is not None:
        return Routed(candidates.by_hand, BY_HAND)
    return None


@dataclass(slots=True)
class CandidateIndex:
    """The candidates of all messages of a batch. It learns from each routed message.

    `assigned` by number; `by_hand` and `seen` by line; `talking` by sender and line, last active
    first; `writers` and `correspondents` by sender. `correspondents`: clients that ever sent to a
    number; read only for senders that can be read as several numbers.
    """

    assigned: dict[str, UUID] = field(default_factory=dict)
    by_hand: dict[Line, UUID] = field(default_factory=dict)
    seen: dict[Line, set[UUID]] = field(default_factory=dict)
    talking: dict[tuple[str, Line], list[UUID]] = field(default_factory=dict)
    writers: dict[str, set[UUID]] = field(default_factory=dict)
    correspondents: dict[str, set[UUID]] = field(default_factory=dict)

    def candidates(
        self, *, sender: str, receivers: Sequence[str], line: Line | None, complete: bool
    ) -> Candidates:
        """The candidates of one message. `receivers`: what its receiver can be read as."""
        assigned = {self.assigned[each] for each in receivers if each in self.assigned}
        return Candidates(
            assigned=assigned.pop() if len(assigned) == 1 else None,
            by_hand=self.by_hand.get(line) if line else None,
            talking=self.talking.get((sender, line), ()) if line else (),
            seen=self.seen.get(line, ()) if line else (),
            writers=self.writers.get(sender, ()),
            complete=complete,
        )

    def route(
        self, sender: Sender, *, receivers: Sequence[str], line: Line | None, complete: bool
    ) -> tuple[Routed | Unrouted | DecideLater, str]:
        """The client of one message, and the number (or name) that its sender is read as."""
        first = sender.numbers[0] if sender.numbers else sender.name
        found = self.candidates(sender=first, receivers=receivers, line=line, complete=complete)
        if len(sender.numbers) == 1:
            return route(found), first
        fixed = route_by_receiver(found)
        if not sender.numbers:
            return fixed if fixed is not None and first else Unrouted(NO_NUMBER), first
        if not complete:
            return DecideLater(), first
        if fixed is not None:
            known = [each for each in sender.numbers if self._has_sent(each, fixed.client_id)]
            return fixed, known[0] if known else first
        known = [each for each in sender.numbers if self.correspondents.get(each)]
        if len(known) > 1:
            return Unrouted(SEVERAL_NUMBERS), first
        number = known[0] if known else first
        found = self.candidates(sender=number, receivers=receivers, line=line, complete=complete)
        return route(found), number

    def learn(self, *, sender: str, line: Line | None, client_id: UUID) -> None:
        """Adds that the client was in conversation with the sender on the line."""
        if line is None:
            return
        self.seen.setdefault(line, set()).add(client_id)
        talking = self.talking.setdefault((sender, line), [])
        if client_id in talking:
            talking.remove(client_id)
        talking.insert(0, client_id)

    def _has_sent(self, number: str, client_id: UUID) -> bool:
        return client_id in self.correspondents.get(number, ())
