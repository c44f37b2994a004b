"""Quiet hours: the time of day in which a client's messages are held."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from domain.errors import InvalidInput

FIELD = "quietHours"
DAY_MINUTES = 24 * 60
MINUTE = timedelta(minutes=1)
LONGEST_ZONE = 64

_TIME = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])", re.ASCII)


@dataclass(frozen=True, slots=True)
class QuietHours:
    """From `start` to `end` in local time, such as 21:00 and 08:00. At `end` they are over.

    `time_zone`: of the client. It counts for numbers whose own zone is not known.
    """

    start: str
    end: str
    time_zone: str

    @property
    def zone(self) -> ZoneInfo:
        """The time zone of the client."""
        return ZoneInfo(self.time_zone)

    def include(self, moment: datetime, zone: ZoneInfo) -> bool:
        """Whether the moment is in quiet hours in that time zone."""
        start, end = _minutes(self.start), _minutes(self.end)
        return (_minute_of(moment, zone) - start) % DAY_MINUTES < (end - start) % DAY_MINUTES

    def end_after(self, moment: datetime, zone: ZoneInfo) -> datetime:
        """The first full minute outside quiet hours after a moment in them."""
        moment = moment.replace(second=0, microsecond=0)
        wait = (_minutes(self.end) - _minute_of(moment, zone)) % DAY_MINUTES
        ended = moment + wait * MINUTE
        if ended.astimezone(zone).utcoffset() == moment.astimezone(zone).utcoffset():
            return ended
        # The clocks change in between: `end` may come twice, or not at all.
        while self.include(moment, zone):
            moment += MINUTE
        return moment


def quiet_hours_of(start: str, end: str, time_zone: str) -> QuietHours:
    """The requested quiet hours. Raises InvalidInput."""
    for time in (start, end):
        if not _TIME.fullmatch(time):
            raise InvalidInput("start and end are times of day, such as 21:00.", field=FIELD)
    if start == end:
        raise InvalidInput(
            "start and end must differ. To end quiet hours, set quietHours to null.", field=FIELD
        )
    try:
        if len(time_zone) <= LONGEST_ZONE and time_zone.isascii():
            return QuietHours(start, end, ZoneInfo(time_zone).key)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        pass  # no such file, or a folder
    raise InvalidInput(
        "timeZone is the name of a time zone, such as America/New_York.", field=FIELD
    )


def _minutes(time: str) -> int:
    return int(time[:2]) * 60 + int(time[3:])


def _minute_of(moment: datetime, zone: ZoneInfo) -> int:
    """The minute of the local day, from 0."""
    local = moment.astimezone(zone)
    return local.hour * 60 + local.minute
