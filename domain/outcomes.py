"""The four outcomes of submitting a message to a provider.

An adapter returns one outcome per message, in order. `domain.dispatch.settlement` decides what
follows from each.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


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
    `retry_after_seconds`: how long the provider asked to wait, if it did.
    `alone`: a call for many messages was refused as a whole. Send each in a call of its own.
    """

    reason: str
    refuses_account: bool = False
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
    """

    TAKEN = "TAKEN"
    DELIVERED = "DELIVERED"
    FAILED = "FAILED"
    REFUSED = "REFUSED"
