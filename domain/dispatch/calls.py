"""Which messages leave together in one call: those of one send, unless one is to go alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from uuid import UUID

from domain.dispatch.fairness import BULK, take_turns
from domain.provider import Outgoing


@dataclass(frozen=True, slots=True)
class Queued:
    """A message that has been picked from the queue, under lock.

    `alone`: a call for many was refused with it inside, so it is to have a call of its own.
    """

    id: UUID
    send_id: UUID
    client_id: UUID
    priority: int
    number: str
    text: str
    alone: bool
    modem: str | None = None
    port: str | None = None

    @property
    def outgoing(self) -> Outgoing:
        """The message as the provider sees it; a reply names the line that it leaves through."""
        return Outgoing(self.number, self.text, self.modem, self.port)


@dataclass(frozen=True, slots=True)
class Call:
    """Messages that leave in one call: all of one tenant and one send."""

    attempt_id: UUID
    messages: Sequence[Queued]

    @property
    def priority(self) -> int:
        """How urgent all of its messages are."""
        return self.messages[0].priority

    @property
    def client_id(self) -> UUID:
        """Whose messages they are."""
        return self.messages[0].client_id


def group(
    picked: Iterable[Queued], *, batch: int, most_calls: int, most_messages: int | None = None
) -> list[Sequence[Queued]]:
    """The messages of each call, tenants taking turns; what is too much is left out.

    `picked`: tenant by tenant, each in order of the queue. `batch`: messages that fit into one
    call. `most_messages`: of all calls together.
    """
    by_tenant = groupby(picked, key=lambda message: message.client_id)
    calls = take_turns([_of_tenant(list(messages), batch) for _, messages in by_tenant])
    return _within(calls[:most_calls], most_messages)


def _of_tenant(messages: Sequence[Queued], batch: int) -> list[Sequence[Queued]]:
    """Calls in the order of their first message."""
    calls: list[list[Queued]] = []
    filling: dict[UUID, list[Queued]] = {}
    for message in messages:
        if message.alone or message.priority != BULK:
            calls.append([message])
            continue
        call = filling.get(message.send_id)
        if call is None or len(call) == batch:
            call = filling[message.send_id] = []
            calls.append(call)
        call.append(message)
    return list(calls)


def _within(calls: Sequence[Sequence[Queued]], most: int | None) -> list[Sequence[Queued]]:
    if most is None:
        return list(calls)
    kept: list[Sequence[Queued]] = []
    for call in calls:
        part = call[:most]
        if part:
            kept.append(part)
        most -= len(part)
    return kept
