"""Dates and times as people write them, in ISO 8601. They are UTC unless they say otherwise."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from domain.errors import InvalidInput


def moment_of(text: str, *, field: str) -> datetime:
    """The time, or the beginning of the day, in UTC. Raises InvalidInput."""
    written = text.strip()
    if "T" in written:
        written = written.replace(" ", "+")  # in a URL, a plus that is not encoded is a blank
    try:
        moment = datetime.fromisoformat(written)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
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
        raise _refused(field) from None


def _refused(field: str) -> InvalidInput:
    return InvalidInput(
        f"{field} must be a date such as 2026-11-30, or a time such as 2026-11-30T08:30:00Z.",
        field=field,
    )
