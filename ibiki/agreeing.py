"""Finds processes with other settings than this one, and a clock that differs from the database's.

Each process shows a fingerprint of its settings in the name of its database connections, where the
others see it for as long as it runs. Nothing is stored. See docs/decisions/0258.
"""

from __future__ import annotations

import hmac
import logging
import time
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from prometheus_client import Gauge

from domain.loops import Loop, running_loops
from ibiki.observability.metrics import Metrics
from ibiki.settings.settings import Settings

LOOK_SECONDS = 10.0
SLACK_SECONDS = 5.0
"""Machines that are set by NTP differ by much less."""

DIGITS = 4
"""Of one value: 24 bits, which find a mistake and betray nothing."""

MOST_KEYS = 5
"""PostgreSQL keeps 63 characters of a name."""

SECRET_KEY, ENCRYPTION_KEYS = "SECRET_KEY", "ENCRYPTION_KEYS"
OTHERS = (
    "DEFAULT_REGION",
    "EXTRA_AREA_CODES",
    "OPT_OUT_WORDS",
    "EXTREME_API_URL or EXTREME_API_KEY",
    "SMS_API_URL, EGOSMS_USERNAME or EGOSMS_PASSWORD",
)
COMPARED = (SECRET_KEY, ENCRYPTION_KEYS, *OTHERS)

_log = logging.getLogger(__name__)

ReadNames = Callable[[], Awaitable[Mapping[str, str]]]
"""Returns the connection names of all processes, with the address of one process of each."""

ReadClock = Callable[[], Awaitable[float]]
"""Returns the database's time, in seconds since 1970."""


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """Fingerprints of the compared settings. `encryption`: of each key, the first one first."""

    secret: str
    others: tuple[str, ...]
    encryption: tuple[str, ...]

    def __str__(self) -> str:
        return "".join((self.secret, *self.others, ".", *self.encryption))


def fingerprint_of(settings: Settings) -> Fingerprint:
    """The fingerprint of a process. Only who knows SECRET_KEY can guess the other values."""
    installation, upstream, secrets = settings.installation, settings.upstream, settings.secrets
    values: Sequence[Sequence[str | None]] = (
        [installation.default_region],
        sorted(installation.extra_area_codes),
        sorted(settings.webhooks.opt_out_words),
        [upstream.extreme_api_url, upstream.extreme_api_key],
        [upstream.sms_api_url, upstream.egosms_username, upstream.egosms_password],
    )
    key = secrets.secret_key
    others = zip(OTHERS, values, strict=True)
    return Fingerprint(
        _digits(key, SECRET_KEY),
        tuple(_digits(key, f"{name} {list(value)}") for name, value in others),
        tuple(_digits(each, ENCRYPTION_KEYS) for each in secrets.encryption_keys[:MOST_KEYS]),
    )


def shown_name(program: str, settings: Settings) -> str:
    """The name of the database connections of a process."""
    return f"{program} {fingerprint_of(settings)}"


def differing(own: Fingerprint, other: str) -> Sequence[str]:
    """The settings that differ. Without SECRET_KEY, nothing can be said about most of them.

    The keys of two processes may differ if each decrypts what the other one encrypts.
    """
    shared, _, keys = other.partition(".")
    secret, *others = _parted(shared) or [""]
    encryption = _parted(keys) or [""]
    found = []
    if own.encryption[0] not in encryption or encryption[0] not in own.encryption:
        found.append(ENCRYPTION_KEYS)
    if secret != own.secret:
        return [SECRET_KEY, *found]
    # A later release may show more, or less.
    pairs = zip(OTHERS, own.others, others, strict=False)
    return [*found, *(name for name, mine, its in pairs if mine != its)]


class Agreement:
    """Compares the settings of this process with those of the others, and says what differs."""

    def __init__(self, own: Fingerprint, read_names: ReadNames, gauge: Gauge) -> None:
        self._own = own
        self._read_names = read_names
        self._gauge = gauge
        self._found: Mapping[str, str] = {}

    async def look(self) -> bool:
        """Compares once. Logs what has changed since the last look."""
        found: dict[str, str] = {}
        for name, address in (await self._read_names()).items():
            program, _, shown = name.rpartition(" ")
            for setting in differing(self._own, shown):
                found.setdefault(setting, f"{program} at {address}")
        for setting in COMPARED:
            self._gauge.labels(setting).set(setting in found)
            if setting in found and setting not in self._found:
                _log.error(
                    "%s differs from that of another running process (%s): give all processes the"
                    " same value, and restart them",
                    setting,
                    found[setting],
                )
            if setting in self._found and setting not in found:
                _log.info("%s is the same in all running processes again", setting)
        self._found = found
        return False


class ClockComparison:
    """Compares the clock of this machine with the database's, by which messages are due."""

    def __init__(
        self, read_clock: ReadClock, gauge: Gauge, *, now: Callable[[], float] = time.time
    ) -> None:
        self._read_clock = read_clock
        self._gauge = gauge
        self._now = now
        self._differs = False

    async def look(self) -> bool:
        """Compares once. Logs when a difference begins, and when it is over."""
        before = self._now()
        reading = await self._read_clock()
        after = self._now()
        # The time of the call is no difference: the reading was made at some moment of it.
        ahead = max(before - reading, 0.0) + min(after - reading, 0.0)
        self._gauge.set(ahead)
        differs = abs(ahead) > SLACK_SECONDS
        if differs and not self._differs:
            where = "ahead of" if ahead > 0 else "behind"
            _log.warning("the clock of this machine is %.0f s %s the database's", abs(ahead), where)
        elif self._differs and not differs:
            _log.info("the clock of this machine agrees with the database's again")
        self._differs = differs
        return False


@asynccontextmanager
async def comparing_with_others(
    settings: Settings, read_names: ReadNames, read_clock: ReadClock, metrics: Metrics
) -> AsyncIterator[None]:
    """While the block runs, settings and clock are compared with those of the others."""
    agreement = Agreement(fingerprint_of(settings), read_names, metrics.settings_differ)
    clock = ClockComparison(read_clock, metrics.clock_ahead)
    async with running_loops(
        Loop("comparing settings", agreement.look, every_seconds=LOOK_SECONDS),
        Loop("comparing clocks", clock.look, every_seconds=LOOK_SECONDS),
    ):
        yield


def _digits(key: str, value: str) -> str:
    digest = hmac.digest(key.encode(), value.encode(), "sha256")
    return urlsafe_b64encode(digest)[:DIGITS].decode()


def _parted(text: str) -> list[str]:
    return [text[start : start + DIGITS] for start in range(0, len(text), DIGITS)]
