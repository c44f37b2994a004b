"""Runs of reconcile, the differences that they find, and the arithmetic of one send."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from domain.errors import units_in_words


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """One run. Counts grow while it runs; `finished_at` is None until then.

    `charged_missing`, `refunded_excess`: in units; in a dry run what would be corrected.
    `unknown_left`: messages whose outcome nobody knows. `unknown_resolved`: those of the start of
    the run that were settled during it. `interrupted`: it was killed before its end.
    """

    id: UUID
    actor_id: UUID | None
    dry_run: bool
    since: datetime | None
    started_at: datetime
    finished_at: datetime | None
    sends_checked: int
    messages_checked: int
    charged_missing: int
    refunded_excess: int
    unknown_resolved: int
    unknown_left: int
    interrupted: bool = False

    @property
    def version(self) -> int:
        """Grows with every page and at the end."""
        return 2 * self.sends_checked + (self.finished_at is not None)


@dataclass(frozen=True, slots=True)
class Difference:
    """A send, or an imported line, whose transfers do not match its messages, in units.

    Exactly one of `send_id` and `imported_line_id` is set. `transfer_id`: what corrects the line,
    and others with it. `in_reading`: no units were moved, because the last reading of the client's
    own provider account already includes the difference.
    """

    id: UUID
    reconciliation_id: UUID
    client_id: UUID
    send_id: UUID | None
    expected: int
    found: int
    corrected: bool
    in_reading: bool
    explanation: str
    imported_line_id: UUID | None = None
    transfer_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class CheckedPage:
    """A page of sends, checked in one snapshot. `suspicious`: may differ, to be checked again."""

    last_id: UUID
    sends: int
    messages: int
    suspicious: Sequence[UUID]


@dataclass(frozen=True, slots=True)
class ProviderReading:
    """A provider account that is locked against readings: its pool node and its last reading."""

    account_id: UUID
    unit: str
    epoch: int
    read_at: datetime | None


@dataclass(frozen=True, slots=True)
class CheckedSend:
    """A send under lock: its messages and its transfers.

    `given_back`: messages whose charge must be refunded, that is, REJECTED or CANCELLED and not
    included in a reading. `given_back_at`: when the last of them was decided. `given_back_older`:
    whether all of them were marked before the last reading. `corrected`: units charged by earlier
    runs, less units refunded by them. `last_refund_at`: of the REFUND transfers.
    `last_refund_from_pool`: it came from the pool's account, not from outside.
    """

    send_id: UUID
    client_id: UUID
    account_id: UUID
    price: int
    rate_usd: Decimal | None
    created_at: datetime
    messages: int
    given_back: int
    given_back_at: datetime | None
    given_back_older: bool
    charged: int
    refunded: int
    last_refund_at: datetime | None
    last_refund_from_pool: bool
    corrected: int

    @property
    def expected(self) -> int:
        """What the client must have paid for the send."""
        return (self.messages - self.given_back) * self.price

    @property
    def found(self) -> int:
        """What the client has paid for the send."""
        return self.charged - self.refunded + self.corrected

    @property
    def units(self) -> int:
        """What to charge; negative is what to refund."""
        return self.expected - self.found

    def is_in_reading(self, read_at: datetime | None) -> bool:
        """Whether the last reading already includes what is missing or too much.

        A sync sets the pool to the reading, whatever was charged before. So an earlier error is
        corrected between client and pool, and a later one between client and outside.
        """
        if read_at is None:
            return False
        if self.charged != self.messages * self.price:
            return self.created_at < read_at
        if self.refunded < self.given_back * self.price:
            # As for a refund that is made in time: the epoch of the attempt decides. Messages that
            # were never marked have none: then the time of the cancellation decides.
            return self.given_back_older or (
                self.given_back_at is not None and self.given_back_at < read_at
            )
        # An extra refund goes back to where it came from.
        return self.last_refund_from_pool or (
            self.last_refund_at is not None and self.last_refund_at < read_at
        )


@dataclass(frozen=True, slots=True)
class ImportedPage:
    """A page of lines, counted in one snapshot. `wrong`: provider accounts with wrong lines."""

    last_id: UUID
    lines: int
    messages: int
    wrong: Sequence[UUID]


@dataclass(frozen=True, slots=True)
class WrongLine:
    """An imported line, under lock, that is not corrected yet. `charged`: as its system says."""

    id: UUID
    client_id: UUID
    account_id: UUID
    reference: str
    messages: int
    price: int
    charged: Decimal
    found: int
    created_at: datetime

    @property
    def expected(self) -> int:
        """What the client must have paid for the messages."""
        return self.messages * self.price


def explain(send: CheckedSend, *, unit: str, dry_run: bool, in_reading: bool) -> str:
    """The difference in words, for an admin."""
    count = send.messages - send.given_back
    messages = units_in_words(send.messages, "message")
    counted = f"{count:,} of {messages} count at {send.price:,} each"
    paid = f"charged {send.charged:,}, refunded {send.refunded:,}"
    if send.corrected:
        paid += f", corrected before by {send.corrected:+,}"
    return (
        f"Expected {units_in_words(send.expected, unit)}: {counted}."
        f" Found {units_in_words(send.found, unit)}: {paid}."
        f" {_action(send, unit, dry_run=dry_run, in_reading=in_reading)}"
    )


def _action(send: CheckedSend, unit: str, *, dry_run: bool, in_reading: bool) -> str:
    units = units_in_words(abs(send.units), unit)
    verb = "charged" if send.units > 0 else "refunded"
    if dry_run:
        return f"{units} would be {verb}."
    if in_reading:
        return f"The last reading of the account includes these {units}: nothing was moved."
    return f"{units} {'was' if abs(send.units) == 1 else 'were'} {verb}."
