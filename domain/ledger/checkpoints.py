"""Checkpoints: the figures of closed months, each with its hash and the hash before it.

An audit starts from the newest checkpoint. docs/decisions/0197 explains what a checkpoint proves.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

CLOSED_AFTER = timedelta(days=3)
"""A month is closed this long after its end. No transaction lasts that long."""


@dataclass(frozen=True, slots=True)
class AccountAtClose:
    """An account after its last transfer of a month.

    `moved`: the sum of each kind of transfers of the month, by kind; negative if units left.
    """

    account_id: UUID
    version: int = 0
    balance: int = 0
    moved: Mapping[str, int] = field(default_factory=dict)

    @property
    def line(self) -> bytes:
        """The account as it is hashed."""
        kinds = ",".join(f"{kind}={units}" for kind, units in sorted(self.moved.items()))
        return f"{self.account_id} {self.version} {self.balance} {kinds}\n".encode()


@dataclass(frozen=True, slots=True)
class SendsOfMonth:
    """The sends of a month together, in units and messages, when the month was closed.

    `statuses`: the number of messages in each status.
    """

    sends: int = 0
    messages: int = 0
    charged: int = 0
    refunded: int = 0
    corrected: int = 0
    statuses: Mapping[str, int] = field(default_factory=dict)

    def __add__(self, other: SendsOfMonth) -> SendsOfMonth:
        names = [*self.statuses, *other.statuses]
        return SendsOfMonth(
            self.sends + other.sends,
            self.messages + other.messages,
            self.charged + other.charged,
            self.refunded + other.refunded,
            self.corrected + other.corrected,
            {each: self.statuses.get(each, 0) + other.statuses.get(each, 0) for each in names},
        )

    @property
    def lasting(self) -> tuple[int, int, int]:
        """The figures that never change after the month was closed."""
        return self.sends, self.messages, self.charged


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A closed month. `id`: the smallest UUIDv7 of `ends_at`; sends with lower IDs are closed."""

    id: UUID
    ends_at: datetime
    sends: SendsOfMonth
    accounts_hash: bytes
    previous_hash: bytes
    audit_id: UUID
    hash: bytes = b""

    @property
    def month(self) -> str:
        """The closed month, such as 2026-10."""
        return f"{self.ends_at - timedelta(days=1):%Y-%m}"

    @property
    def expected_hash(self) -> bytes:
        """The hash that the other values must have."""
        sends = self.sends
        values = [
            self.ends_at.astimezone(UTC).isoformat(),
            str(self.audit_id),
            [sends.sends, sends.messages, sends.charged, sends.refunded, sends.corrected],
            dict(sends.statuses),
            self.accounts_hash.hex(),
            self.previous_hash.hex(),
        ]
        text = json.dumps(values, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).digest()

    def sealed(self) -> Checkpoint:
        """The checkpoint with its hash."""
        return replace(self, hash=self.expected_hash)


@dataclass(frozen=True, slots=True)
class AccountStart:
    """An account, and where its proof starts: at a checkpoint, or at version 0.

    `version`: of the account now; 0 if there is no row of it.
    """

    account_id: UUID
    version: int
    proven_version: int
    proven_balance: int


@dataclass(frozen=True, slots=True)
class MonthPage:
    """The next transfers of an account that were created before the end of a month.

    `version`, `balance`: after the last of them. `is_last`: the next one is of a later month, or
    there is none.
    """

    account_id: UUID
    version: int
    balance: int
    moved: Mapping[str, int]
    is_last: bool

    def added_to(self, account: AccountAtClose) -> AccountAtClose:
        """The account after these transfers."""
        moved = dict(account.moved)
        for kind, units in self.moved.items():
            moved[kind] = moved.get(kind, 0) + units
        return AccountAtClose(self.account_id, self.version, self.balance, moved)


def hash_of(accounts: Iterable[AccountAtClose]) -> bytes:
    """The hash of the accounts of a checkpoint, in the order of their IDs."""
    digest = hashlib.sha256()
    for account in accounts:
        digest.update(account.line)
    return digest.digest()


def violations_of_chain(checkpoints: Sequence[Checkpoint]) -> Iterator[str]:
    """What is wrong with the hashes of all checkpoints, oldest first."""
    previous = b""
    for each in checkpoints:
        if each.hash != each.expected_hash:
            yield f"the checkpoint of {each.month} was changed: its hash is another one"
        elif each.previous_hash != previous:
            yield f"the checkpoint of {each.month} does not follow the one before it"
        previous = each.hash


def month_after(moment: datetime) -> datetime:
    """The first moment of the month that follows, in UTC."""
    first = moment.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return (first + timedelta(days=32)).replace(day=1)


def ends_due(first: datetime | None, last: datetime | None, now: datetime) -> list[datetime]:
    """The ends of the months to close, oldest first.

    `first`: when the oldest account or send was made. `last`: the end of the last closed month.
    """
    if last is None and first is None:
        return []
    end = month_after(last or first or now)
    due = []
    while end + CLOSED_AFTER <= now:
        due.append(end)
        end = month_after(end)
    return due
