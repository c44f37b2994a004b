"""Dates and times as people write them, in ISO 8601. They are UTC unless they say otherwise."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from typing import Final

from domain.errors import InvalidInput

# fromisoformat also reads digits alone: the milliseconds 1712121200000 as a time in the year 1712.
WRITTEN: Final = re.compile(r"\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}.{0,24})?", re.ASCII)

# Go and Java write nanoseconds: what is below a microsecond is cut off. strftime writes no colon in
# an offset.
_RFC_3339: Final = re.compile(
    r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,24})?(?P<zone>Z|[+-]\d{2}:?\d{2})?",
    re.ASCII | re.IGNORECASE,
)
NOT_RFC_3339: Final = "it must be RFC 3339 with a time zone, such as 2026-11-20T08:30:00Z"

EARLIEST: Final = datetime.min.replace(tzinfo=UTC) + timedelta(microseconds=1)
LATEST: Final = datetime.max.replace(tzinfo=UTC) - timedelta(microseconds=1)


def in_utc(moment: datetime) -> datetime:
    """The time in UTC, from EARLIEST to LATEST. Raises OverflowError if it is far outside.

    The driver of the database stores the very first and the very last time of Python as infinite,
    and reads them as times without a zone.
    """
    return min(max(moment.astimezone(UTC), EARLIEST), LATEST)


def instant_of(value: object) -> datetime:
    """The time in UTC, from RFC 3339. Raises ValueError, in words, also if it has no zone."""
    written = _RFC_3339.fullmatch(value) if isinstance(value, str) else None
    if written is not None and written["zone"] is None:
        raise ValueError(f"the time has no zone: {NOT_RFC_3339}")
    try:
        if written is not None:
            return in_utc(datetime.fromisoformat(written[0].upper()))
    except (ValueError, OverflowError):
        pass
    raise ValueError(NOT_RFC_3339)


def moment_of(text: str, *, field: str) -> datetime:
    """The time, or the beginning of the day, in UTC. Raises InvalidInput."""
    written = text.strip()
    if "T" in written:
        written = written.replace(" ", "+")  # in a URL, a plus that is not encoded is a blank
    if not WRITTEN.fullmatch(written):
        raise _refused(field)
    try:
        moment = datetime.fromisoformat(written)
        return in_utc(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    except (ValueError, OverflowError):
        raise _refused(field) from None


def end_of(text: str, *, field: str) -> datetime:
    """The time, or the end of the day if the text is a date, in UTC. Raises InvalidInput."""
    moment = moment_of(text, field=field)
    try:
        date.fromisoformat(text.strip())
        return moment + timedelta(days=1)
    except ValueError:
        return moment
    except OverflowError:
        return LATEST


def _refused(field: str) -> InvalidInput:
    return InvalidInput(
        f"{field} must be a date such as 2026-11-30, or a time such as 2026-11-30T08:30:00Z.",
        field=field,
    )
