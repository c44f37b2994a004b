"""Alarms of a pool: what an admin should check. Found from the same figures as its balance."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from domain.errors import units_in_words

READING_IS_OLD_AFTER = timedelta(hours=24)
UNKNOWN_IS_OLD_AFTER = timedelta(hours=1)
HOOK_FAILS_AFTER = timedelta(hours=24)


class AlarmKind(StrEnum):
    """What is wrong with a pool."""

    OVER_ALLOCATED = "OVER_ALLOCATED"
    NEEDS_SYNC = "NEEDS_SYNC"
    UNKNOWN_OLD = "UNKNOWN_OLD"
    DISPATCH_STALLED = "DISPATCH_STALLED"
    PROVIDER_REFUSING = "PROVIDER_REFUSING"
    PAUSED = "PAUSED"
    LOW_BALANCE = "LOW_BALANCE"
    WEBHOOK_FAILING = "WEBHOOK_FAILING"


@dataclass(frozen=True, slots=True)
class Alarm:
    """One alarm. `count`: of the units, messages, charges or clients that it is about."""

    kind: AlarmKind
    message: str
    since: datetime
    count: int


@dataclass(frozen=True, slots=True)
class PoolSigns:
    """The values that the alarms depend on, from the same snapshot as the balance.

    `read_at`, `failed_at`: of the provider's balance. `doubted_at`: when an attempt last ended in a
    way that may make the reading wrong. `differences`: wrong charges that a dry run of reconcile
    has found and that are not corrected; counted up to 1,000. `queued`: messages that wait, counted
    if the account is paused. `overdue`: messages that have been due for five minutes, counted if no
    call was started in these minutes; `is_dispatching`: whether any was, or none had to be.
    `unknown`: messages that have been UNKNOWN for an hour. `low_clients`: clients below their
    threshold. `failing_hooks`: webhook endpoints of clients that have failed for a day.
    `stopped_at`: a person has paused the account.
    """

    added_at: datetime
    read_at: datetime | None = None
    failed_at: datetime | None = None
    doubted_at: datetime | None = None
    differences: int = 0
    differing_at: datetime | None = None
    paused_at: datetime | None = None
    queued: int = 0
    overdue: int = 0
    overdue_at: datetime | None = None
    is_dispatching: bool = True
    unknown: int = 0
    unknown_at: datetime | None = None
    low_clients: int = 0
    low_at: datetime | None = None
    failing_hooks: int = 0
    failing_hooks_at: datetime | None = None
    stopped_at: datetime | None = None


def alarms_of(signs: PoolSigns, *, remaining: int, unit: str, now: datetime) -> list[Alarm]:
    """The alarms of a pool, in the order of `AlarmKind`."""
    found = [
        *_over_allocated(signs, remaining, unit),
        *_needs_sync(signs, now),
        *_unknown(signs, now),
        *_dispatch(signs, now),
        *_low_balance(signs, now),
        *_failing_hooks(signs, now),
    ]
    order = list(AlarmKind)
    return sorted(found, key=lambda alarm: order.index(alarm.kind))


def _over_allocated(signs: PoolSigns, remaining: int, unit: str) -> Iterator[Alarm]:
    if remaining < 0 and signs.read_at is not None:
        words = (
            f"Clients hold {units_in_words(-remaining, unit)} more than the provider's balance."
            " Top up at the provider and sync, or take units back."
        )
        yield Alarm(AlarmKind.OVER_ALLOCATED, words, signs.read_at, -remaining)


def _needs_sync(signs: PoolSigns, now: datetime) -> Iterator[Alarm]:
    """The first reason that applies."""

    def alarm(words: str, since: datetime, count: int = 1) -> Alarm:
        return Alarm(AlarmKind.NEEDS_SYNC, words, since, count)

    if signs.read_at is None:
        yield alarm("The provider's balance was never read. Sync the account.", signs.added_at)
    elif signs.failed_at is not None and signs.failed_at > signs.read_at:
        yield alarm(
            "The provider's balance could not be read. Sync the account again.", signs.failed_at
        )
    elif signs.differences:
        charges = units_in_words(signs.differences, "wrong charge")
        yield alarm(
            f"A dry run of reconcile found {charges}. Run reconcile.",
            signs.differing_at or now,
            signs.differences,
        )
    elif signs.doubted_at is not None and signs.doubted_at >= signs.read_at:
        yield alarm(
            "Since the last reading, a message became UNKNOWN, the provider rejected the account,"
            " or its credentials were changed. Sync the account.",
            signs.doubted_at,
        )
    elif now - signs.read_at > READING_IS_OLD_AFTER:
        yield alarm(
            "The last reading is more than 24 hours old. Sync the account.",
            signs.read_at + READING_IS_OLD_AFTER,
        )


def _unknown(signs: PoolSigns, now: datetime) -> Iterator[Alarm]:
    if signs.unknown:
        since = (signs.unknown_at or now) + UNKNOWN_IS_OLD_AFTER
        messages = units_in_words(signs.unknown, "message")
        words = (
            f"{messages} {_been(signs.unknown)} UNKNOWN for more than an hour."
            " Compare with the provider's log and settle."
        )
        yield Alarm(AlarmKind.UNKNOWN_OLD, words, since, signs.unknown)


def _dispatch(signs: PoolSigns, now: datetime) -> Iterator[Alarm]:
    messages = units_in_words(signs.queued, "message")
    waiting = f"{messages} {'waits' if signs.queued == 1 else 'wait'}."
    if signs.stopped_at is not None:
        words = f"The account is paused. {waiting} Resume it when they may be sent."
        yield Alarm(AlarmKind.PAUSED, words, signs.stopped_at, signs.queued)
    if signs.paused_at is not None:
        words = f"The provider rejects the account (a wrong key, or no money left). {waiting}"
        yield Alarm(AlarmKind.PROVIDER_REFUSING, words, signs.paused_at, signs.queued)
    elif signs.overdue and not signs.is_dispatching and signs.stopped_at is None:
        overdue = units_in_words(signs.overdue, "message")
        words = (
            f"{overdue} {_been(signs.overdue)} due for more than 5 minutes and nothing is"
            " submitted. Check that a dispatcher runs."
        )
        yield Alarm(AlarmKind.DISPATCH_STALLED, words, signs.overdue_at or now, signs.overdue)


def _low_balance(signs: PoolSigns, now: datetime) -> Iterator[Alarm]:
    if signs.low_clients:
        clients = units_in_words(signs.low_clients, "client")
        holds = "holds less than its" if signs.low_clients == 1 else "hold less than their"
        words = f"{clients} {holds} low-balance threshold."
        yield Alarm(AlarmKind.LOW_BALANCE, words, signs.low_at or now, signs.low_clients)


def _failing_hooks(signs: PoolSigns, now: datetime) -> Iterator[Alarm]:
    if signs.failing_hooks:
        endpoints = units_in_words(signs.failing_hooks, "webhook endpoint")
        words = (
            f"{endpoints} of clients {_been(signs.failing_hooks)} failing for more than a day."
            " Ask the clients to correct the endpoint, or pause it."
        )
        since = (signs.failing_hooks_at or now) + HOOK_FAILS_AFTER
        yield Alarm(AlarmKind.WEBHOOK_FAILING, words, since, signs.failing_hooks)


def _been(count: int) -> str:
    return "has been" if count == 1 else "have been"
