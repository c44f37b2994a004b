"""What the dispatcher and sync need of an upstream provider: the port that each adapter fills."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol, runtime_checkable
from uuid import UUID

from domain.outcomes import Outcome, ReportedStatus


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One message as a provider sees it: `number` is E.164; a reply names `modem` and `port`."""

    number: str
    text: str
    modem: str | None = None
    port: str | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """A balance as the provider said it: the word itself, and its value in the provider's unit."""

    raw: str
    value: Decimal


class Provider(Protocol):
    """One provider account, ready to be called. Each call is one request: no loop, no retry."""

    largest_batch: int
    """Messages that one `send_many` may carry; 1 where the provider has no call for many."""

    async def send(self, message: Outgoing) -> Outcome:
        """The outcome of handing over one message. Never raises for anything a provider does."""
        ...

    async def send_many(self, messages: Sequence[Outgoing]) -> list[Outcome]:
        """One outcome a message, same order. None of the messages may name a modem or port."""
        ...

    async def balance(self) -> Reading:
        """The provider's balance now. Raises ProviderUnavailable, in our words."""
        ...

    async def close(self) -> None:
        """Lets go of its connections."""
        ...


@runtime_checkable
class TellsStatus(Protocol):
    """A provider that can be asked what became of a message."""

    async def status(self, reference: str) -> ReportedStatus | None:
        """What it says of a message by its own id; None where that says nothing here.

        Raises ProviderUnavailable where it cannot be asked now.
        """
        ...


class Providers(Protocol):
    """The provider accounts of this installation, ready to be called."""

    async def of(self, provider_account_id: UUID) -> Provider:
        """The provider behind an account. Raises ProviderUnavailable where none is configured."""
        ...
