"""How long texts and messages are kept, by default and for single clients."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

KEEP = 0
"""The setting of a client that keeps everything, whatever the installation's setting is."""


@dataclass(frozen=True, slots=True)
class Retention:
    """Days for texts; months for messages, from the end of their month. None or 0: for ever."""

    text_days: int | None = None
    months: int | None = None


@dataclass(frozen=True, slots=True)
class Clients:
    """Some clients: only those in `only`, or all but `without`.

    Rows of no client are treated like those of a client that is not named.
    """

    only: frozenset[UUID] | None = None
    without: frozenset[UUID] = frozenset()

    @property
    def key(self) -> str:
        """A text that differs if the clients differ."""
        text = f"{sorted(self.only) if self.only is not None else '*'} {sorted(self.without)}"
        return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Limit:
    """Rows of these clients that are older than this moment are dropped."""

    clients: Clients
    before: datetime
    name: str
    """The same on every day, as long as the rule is the same."""


@dataclass(frozen=True, slots=True)
class Rules:
    """The installation's rule, and those of clients, in which None is the installation's value."""

    default: Retention
    of_clients: Mapping[UUID, Retention] = field(default_factory=dict)

    def text_limits(self, now: datetime) -> list[Limit]:
        """The limits for texts: older ones are dropped."""
        days = {
            client: self.default.text_days if each.text_days is None else each.text_days
            for client, each in self.of_clients.items()
        }
        return [
            Limit(clients, now - timedelta(days=count), f"texts {count} {clients.key}")
            for count, clients in _groups(self.default.text_days, days)
        ]

    def month_limits(self, now: datetime) -> list[Limit]:
        """The limits for months: earlier ones are dropped. Each limit is the start of a month."""
        return [
            Limit(clients, months_before(now, count), f"months {count} {clients.key}")
            for count, clients in _groups(self.default.months, self._months())
        ]

    def all_months_before(self, now: datetime) -> datetime | None:
        """The moment before which all clients drop months. None if a client keeps them for ever."""
        counts = [self.default.months, *self._months().values()]
        return None if not all(counts) else months_before(now, max(each or 0 for each in counts))

    def _months(self) -> dict[UUID, int | None]:
        return {
            client: self.default.months if each.months is None else each.months
            for client, each in self.of_clients.items()
        }


def months_before(now: datetime, months: int) -> datetime:
    """The first moment of the month that is this many months before the current one, in UTC."""
    now = now.astimezone(UTC)
    years, month = divmod(now.year * 12 + now.month - 1 - months, 12)
    return datetime(years, month + 1, 1, tzinfo=UTC)


def _groups(default: int | None, own: Mapping[UUID, int | None]) -> Iterator[tuple[int, Clients]]:
    """Each length with its clients. Those that keep for ever are in no group."""
    other = frozenset(client for client, count in own.items() if count != default)
    if default:
        yield default, Clients(without=other)
    for count in sorted({own[client] or KEEP for client in other} - {KEEP}):
        yield count, Clients(only=frozenset(each for each in other if own[each] == count))
