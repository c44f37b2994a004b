"""Lists of sends and messages: their filters and orders, and statistics of messages over time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from uuid import UUID

from domain.errors import InvalidInput
from domain.sending.messages import REFUNDED, Direction, MessageStatus, SendKind

MOST_PERIODS = 750
"""Periods of one answer: a month of hours, or two years of days."""


class SendOrder(StrEnum):
    """The order of a list of sends."""

    NEWEST = "NEWEST"
    OLDEST = "OLDEST"


@dataclass(frozen=True, slots=True)
class SendFilter:
    """Which sends to list. None does not restrict.

    `scheduled`: whether the send has queued messages whose time has not come.
    """

    created_after: datetime | None = None
    created_before: datetime | None = None
    kind: SendKind | None = None
    client_id: UUID | None = None
    scheduled: bool | None = None


@dataclass(frozen=True, slots=True)
class MessageFilter:
    """Which messages to list. None does not restrict. `number`: E.164, or a named sender.

    `receiver`: the number that an inbound message was sent to.
    """

    status: MessageStatus | None = None
    direction: Direction | None = None
    number: str | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None
    send_id: UUID | None = None
    receiver: str | None = None

    @property
    def is_outbound(self) -> bool:
        """Whether only messages of a send can match."""
        named = self.status is not None or self.send_id is not None
        return named or self.direction is Direction.OUTBOUND


ALL_SENDS = SendFilter()
ALL_MESSAGES = MessageFilter()


class Period(StrEnum):
    """The length of the periods of statistics. They begin at full hours or days in UTC."""

    HOUR = "HOUR"
    DAY = "DAY"

    @property
    def length(self) -> timedelta:
        """The time from one beginning to the next."""
        return timedelta(hours=1) if self is Period.HOUR else timedelta(days=1)

    def begin(self, moment: datetime) -> datetime:
        """The beginning of the period that a moment is in."""
        hour = moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
        return hour if self is Period.HOUR else hour.replace(hour=0)


@dataclass(frozen=True, slots=True)
class MessageStat:
    """Messages that were accepted in one period, by their present status.

    `charged`: units that were charged for them and not refunded.
    """

    starts_at: datetime
    counts: Mapping[MessageStatus, int] = field(default_factory=dict)
    charged: int = 0


@dataclass(frozen=True, slots=True)
class StatRow:
    """Messages of one period and status. `units`: the sum of their prices."""

    starts_at: datetime
    status: MessageStatus
    messages: int
    units: int


def periods_of(by: Period, starts_at: datetime, ends_at: datetime) -> list[datetime]:
    """The beginnings of the periods from one time to another. Raises InvalidInput."""
    if starts_at >= ends_at:
        raise InvalidInput("`from` must be before `to`.", field="from")
    first = by.begin(starts_at)
    if (ends_at - first) / by.length > MOST_PERIODS:
        raise InvalidInput(
            f"At most {MOST_PERIODS} periods can be requested. Use a shorter time, or by: DAY.",
            field="to",
        )
    return list(_beginnings(by, first, ends_at))


def stats_of(periods: Sequence[datetime], rows: Sequence[StatRow]) -> list[MessageStat]:
    """The statistics of each period, in order; also of those without messages."""
    counts: dict[datetime, dict[MessageStatus, int]] = {each: {} for each in periods}
    charged = dict.fromkeys(periods, 0)
    for row in rows:
        counts[row.starts_at][row.status] = row.messages
        if row.status not in REFUNDED:
            charged[row.starts_at] += row.units
    return [MessageStat(each, counts[each], charged[each]) for each in periods]


def _beginnings(by: Period, first: datetime, ends_at: datetime) -> Iterator[datetime]:
    # Counted, because the end of the last period may be after the year 9999.
    for number in range(-((first - ends_at) // by.length)):
        yield first + number * by.length
