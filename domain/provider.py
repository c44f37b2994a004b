"""The port of upstream providers: what dispatch and sync need, and the four outcomes of a submit.

Each adapter implements `Provider`. It returns one outcome per message, in order.
`domain.dispatch.settlement` decides what follows from each.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Protocol, runtime_checkable
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Accepted:
    """The provider accepted the message. `reference`: its ID of the message, None if not given."""

    reference: str | None


@dataclass(frozen=True, slots=True)
class Rejected:
    """The provider refused this message, and would refuse it again.

    `failure` is shown to the client: in our words, without the provider's name.
    """

    failure: str


@dataclass(frozen=True, slots=True)
class NotSent:
    """Certainly not accepted, but not because of the message: it is sent again later.

    `refuses_account`: the provider refused the account (wrong key, no credits), not the message.
    `asks_to_wait`: the provider has too many calls or messages. `retry_after_seconds`: how long it
    asked to wait, if it said so.
    `alone`: a call for many messages was refused as a whole. Send each in a separate call.
    """

    reason: str
    refuses_account: bool = False
    asks_to_wait: bool = False
    retry_after_seconds: float | None = None
    alone: bool = False


@dataclass(frozen=True, slots=True)
class Unknown:
    """The provider may have accepted the message. It is never sent again automatically.

    `reference`: the ID that the message has there if it was accepted, None if that is not known.
    """

    reason: str
    reference: str | None = None


Outcome = Accepted | Rejected | NotSent | Unknown


class ReportedStatus(StrEnum):
    """The status of an accepted message, as the provider reports it.

    TAKEN: a network has accepted it. REFUSED: a gateway had accepted it, and no network did.
    RETURNED: the provider has sent no part of it, and will not.
    """

    TAKEN = "TAKEN"
    DELIVERED = "DELIVERED"
    FAILED = "FAILED"
    REFUSED = "REFUSED"
    RETURNED = "RETURNED"


@dataclass(frozen=True, slots=True)
class OutgoingMessage:
    """One message for a provider. `number` is E.164. A reply has `modem` and `port`.

    `attempt`: the ID of the attempt in hex, for a provider that returns no ID. `id`:
    that of the message, the same for each attempt, for a provider that accepts an ID only once.
    """

    number: str
    text: str
    modem: str | None = None
    port: str | None = None
    attempt: str = field(default="", compare=False)
    id: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Credentials:
    """The sign-in of a provider account. The repr shows neither of the two."""

    username: str = field(repr=False)
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Reading:
    """A balance as reported: the text itself, and its value in the provider's unit."""

    raw: str
    value: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderField:
    """A value of a provider account's configuration, as a person gives it.

    `name`: as in the API, such as baseUrl. A secret is stored encrypted and never returned.
    """

    name: str
    description: str
    required: bool = True
    secret: bool = False
    default: str | None = None


class Provider(Protocol):
    """One provider account. Each call makes one request, without a loop or a retry."""

    largest_batch: int
    """The most messages per `send_many`. 1 if the provider has no call for many messages."""

    async def send(self, message: OutgoingMessage) -> Outcome:
        """Submits one message. Never raises because of what the provider does."""

    async def send_many(self, messages: Sequence[OutgoingMessage]) -> list[Outcome]:
        """Submits messages without modem and port. One outcome per message, in order."""

    async def close(self) -> None:
        """Closes all connections."""


@runtime_checkable
class SupportsBalance(Protocol):
    """A provider that reports its balance. The pool of any other is set by hand."""

    async def balance(self) -> Reading:
        """The present balance. Raises ProviderUnavailable."""


@runtime_checkable
class SupportsStatus(Protocol):
    """A provider whose API can return the status of a message."""

    async def status(self, reference: str) -> ReportedStatus | None:
        """The status of a message. None if the provider does not know it or its status.

        Raises ProviderUnavailable if the query fails for now.
        """


@runtime_checkable
class SupportsSettling(Protocol):
    """A provider that says what it has accepted of a call whose answer was lost."""

    async def settle(self, messages: Sequence[OutgoingMessage]) -> list[Outcome]:
        """The outcomes of messages of one earlier call, in order; Unknown if it does not say.

        All name the `attempt` of the call. After a NotSent, the provider accepts nothing of that
        call any more, also if the request arrives later. Raises ProviderUnavailable.
        """


class Providers(Protocol):
    """The provider accounts of this installation."""

    async def of(self, provider_account_id: UUID) -> Provider:
        """The provider of an account. Raises ProviderUnavailable if it is not configured."""
