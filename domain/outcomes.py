"""The four outcomes of handing messages to a provider: a closed list, decided in an adapter.

An adapter answers with one outcome a message, in the order in which the messages were given.
What follows from each is decided in one place, `domain.dispatch.settlement`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Accepted:
    """The provider took the message. `reference` is its id for it, None where it gave none."""

    reference: str | None


@dataclass(frozen=True, slots=True)
class Rejected:
    """A well-formed refusal of this message itself: it was not taken and never will be.

    `failure` is said to the client: our words, without the provider's name.
    """

    failure: str


@dataclass(frozen=True, slots=True)
class NotSent:
    """Certainly not taken, through no fault of the message: it may be sent again later.

    `refuses_account`: the provider refused the account (wrong key, no money left), not the message.
    `retry_after_seconds`: the pause that the provider asked for, where it did.
    `alone`: a call for many was refused as a whole; each is to be sent again in a call of its own.
    """

    reason: str
    refuses_account: bool = False
    retry_after_seconds: float | None = None
    alone: bool = False


@dataclass(frozen=True, slots=True)
class Unknown:
    """Nobody can tell whether the provider took it. Never to be sent again by itself."""

    reason: str


Outcome = Accepted | Rejected | NotSent | Unknown


class ReportedStatus(StrEnum):
    """What a provider says of a message that it took."""

    TAKEN = "TAKEN"
    DELIVERED = "DELIVERED"
    FAILED = "FAILED"
