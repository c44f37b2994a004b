"""When the messages of a send are due: its own time, and the quiet hours of its client.

During quiet hours a message is held until they are over where its recipient is. The number tells
where that is: the source is the time zone data of the number library, by the longest known prefix.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from phonenumbers.tzdata import TIMEZONE_DATA, TIMEZONE_LONGEST_PREFIX

from domain.errors import InvalidInput
from domain.identity.quiet_hours import QuietHours

MOST_AHEAD = timedelta(days=30)

LONGEST_HOLD = timedelta(days=2)
LONGEST_WAIT = MOST_AHEAD + LONGEST_HOLD
"""No message is due later than this after it was accepted."""

LATE = timedelta(minutes=1)
"""A time that has passed by this much means now: requests take a while, and clocks differ."""

WIDEST = timedelta(hours=5)
"""If the zones of a number are further apart, the number does not tell where its recipient is."""

FIELD = "sendAt"
NOWHERE: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Schedule:
    """When the messages of a send are due; None for now.

    `send_at`: as requested. `held_until`: one for each number, None if it is not held; empty
    if none is held. `quiet_hours`: those that apply to the send.
    """

    send_at: datetime | None = None
    held_until: Sequence[datetime | None] = ()
    quiet_hours: QuietHours | None = None

    @property
    def held(self) -> int:
        """How many messages are held during quiet hours."""
        return sum(each is not None for each in self.held_until)

    @property
    def last_held_until(self) -> datetime | None:
        """When the last of them is due."""
        return max(filter(None, self.held_until), default=None)


AT_ONCE = Schedule()


def time_to_send(send_at: datetime, now: datetime) -> datetime | None:
    """The time that a send is due, None for now. Raises InvalidInput.

    `now`: by the database's clock, which decides when messages are due.
    """
    if send_at < now - LATE:
        raise InvalidInput(
            "The time to send at is in the past. Leave it out to send now.", field=FIELD
        )
    if send_at > now + MOST_AHEAD:
        raise InvalidInput(
            f"The time to send at can be at most {MOST_AHEAD.days} days from now.", field=FIELD
        )
    return send_at if send_at > now else None


def schedule_of(
    numbers: Sequence[str], send_at: datetime | None, quiet: QuietHours | None, now: datetime
) -> Schedule:
    """When the messages to these numbers (E.164) are due. Raises InvalidInput."""
    planned = None if send_at is None else time_to_send(send_at, now)
    if quiet is None:
        return Schedule(planned)
    held_until = ends_of_hold(numbers, planned or now, quiet)
    return Schedule(planned, held_until if any(held_until) else (), quiet)


def ends_of_hold(
    numbers: Sequence[str], moment: datetime, quiet: QuietHours
) -> list[datetime | None]:
    """When messages to these numbers that are due at this moment may be sent, one for each.

    None if a message is not held.
    """
    ends: dict[tuple[str, ...], datetime | None] = {}
    held_until: list[datetime | None] = []
    for number in numbers:
        zones = zones_of(number)
        if zones not in ends:
            ends[zones] = _end_of_hold(zones, moment, quiet)
        held_until.append(ends[zones])
    return held_until


def zones_of(number: str) -> tuple[str, ...]:
    """The time zones in which the phone of a number (E.164) may be. Empty if not known."""
    for length in range(TIMEZONE_LONGEST_PREFIX, 0, -1):
        zones = TIMEZONE_DATA.get(number[1 : length + 1])
        if zones is not None:
            return zones
    return NOWHERE


def _end_of_hold(names: tuple[str, ...], moment: datetime, quiet: QuietHours) -> datetime | None:
    """When a message that is due at this moment may be sent; None if it is not held.

    It must be outside quiet hours in all zones. If the zones are not known or too far apart, or if
    it is always quiet in one of them, the zone of the client counts.
    """
    zones = _zones(names, moment.date().toordinal()) or (quiet.zone,)
    ended = _first_outside(moment, zones, quiet)
    if ended > moment + LONGEST_HOLD:
        ended = _first_outside(moment, (quiet.zone,), quiet)
    return ended if ended > moment else None


def _first_outside(moment: datetime, zones: Sequence[ZoneInfo], quiet: QuietHours) -> datetime:
    """The first moment outside quiet hours in all zones, or one after LONGEST_HOLD."""
    latest = moment + LONGEST_HOLD
    while moment <= latest:
        zone = next((each for each in zones if quiet.include(moment, each)), None)
        if zone is None:
            break
        moment = quiet.end_after(moment, zone)
    return moment


@lru_cache(maxsize=2_000)
def _zones(names: tuple[str, ...], day: int) -> tuple[ZoneInfo, ...]:
    """The zones of these names; none if they are too far apart on that day, or one is unknown."""
    try:
        zones = tuple(ZoneInfo(name) for name in names)
    except ZoneInfoNotFoundError:
        return ()
    noon = datetime.fromordinal(day).replace(hour=12)
    offsets = [zone.utcoffset(noon) or timedelta() for zone in zones]
    return zones if offsets and max(offsets) - min(offsets) <= WIDEST else ()
