"""When the messages of a send are due."""

from __future__ import annotations

from datetime import datetime, timedelta

from domain.errors import InvalidInput

MOST_AHEAD = timedelta(days=30)

LATE = timedelta(minutes=1)
"""A time that has passed by this much means now: requests take a while, and clocks differ."""

FIELD = "sendAt"


def time_to_send(send_at: datetime, now: datetime) -> datetime | None:
    """The time that a send is due, None for now. Raises InvalidInput.

    `now`: by the database's clock, which decides when messages are due.
    """
    if send_at < now - LATE:
        raise InvalidInput("sendAt is in the past. Leave it out to send now.", field=FIELD)
    if send_at > now + MOST_AHEAD:
        raise InvalidInput(
            f"sendAt can be at most {MOST_AHEAD.days} days from now.",
            field=FIELD,
        )
    return send_at if send_at > now else None
