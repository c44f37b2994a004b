"""Closing months: the figures of each are stored after an audit without violations."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import Protocol

from domain.errors import AlreadyRunning
from domain.ids import first_id_at
from domain.ledger.audit import audit, new_audit
from domain.ledger.audits import Audit, AuditStore
from domain.ledger.checkpoints import AccountAtClose, Checkpoint, ends_due, hash_of
from domain.ledger.months import accounts_at_close, sends_of_month
from domain.ledger.reconcile import last_night
from domain.ledger.runs import REST, DailyWork, Pace, persist

_log = logging.getLogger(__name__)


class CheckpointStore(AuditStore, DailyWork, Protocol):
    """What closing a month needs."""

    async def first_moment(self) -> datetime | None:
        """When the oldest account or send was made. None in an empty installation."""

    async def write_checkpoint(
        self, checkpoint: Checkpoint, accounts: Sequence[AccountAtClose]
    ) -> None:
        """Stores a checkpoint with its accounts, unless this month is closed already."""


class LedgerInconsistent(Exception):
    """No month was closed: the audit before it found violations. Run `ibiki audit`."""

    def __init__(self, done: Audit) -> None:
        super().__init__((LedgerInconsistent.__doc__ or "").strip())
        self.audit = done


async def months_due(store: CheckpointStore, now: datetime) -> Sequence[datetime]:
    """The ends of the months that `close_months` would close, oldest first."""
    closed = await persist(store.read_checkpoints)
    first = await persist(store.first_moment)
    return ends_due(first, closed[-1].ends_at if closed else None, now)


async def close_months(
    store: CheckpointStore, now: datetime, *, rest: float = REST
) -> Sequence[Checkpoint]:
    """Closes the months that are due, oldest first. Returns their checkpoints.

    Audits the ledger first if a month is due. Safe to repeat, and in several processes at once.
    Raises LedgerInconsistent, AlreadyRunning (another audit is in progress), AuditStopped and
    TryAgain.
    """
    closed = await persist(store.read_checkpoints)
    previous = closed[-1] if closed else None
    due = await months_due(store, now)
    if not due:
        return []
    proof = await audit(store, await new_audit(store), rest=rest)
    if not proof.holds:
        raise LedgerInconsistent(proof)
    made = []
    for ends_at in due:
        previous = await _close(store, previous, ends_at, proof, Pace(rest))
        made.append(previous)
    return made


async def _close(
    store: CheckpointStore,
    previous: Checkpoint | None,
    ends_at: datetime,
    proof: Audit,
    pace: Pace,
) -> Checkpoint:
    accounts = [each async for each in accounts_at_close(store, previous, ends_at, pace)]
    checkpoint = Checkpoint(
        id=first_id_at(ends_at),
        ends_at=ends_at,
        sends=await sends_of_month(store, previous, ends_at, pace),
        accounts_hash=hash_of(accounts),
        previous_hash=previous.hash if previous else b"",
        audit_id=proof.id,
    ).sealed()
    await persist(partial(store.write_checkpoint, checkpoint, accounts))
    _log.info("the month %s is closed: checkpoint %s", checkpoint.month, checkpoint.hash.hex())
    return checkpoint


async def close_daily(store: CheckpointStore) -> bool:
    """Closes what is due, unless a process has done so today. Always False: a loop calls it."""
    now = datetime.now(UTC)
    if await store.start_daily("close months", not_since=last_night(now)):
        try:
            with suppress(AlreadyRunning):
                await close_months(store, now)
        except LedgerInconsistent as broken:
            _log.error("%s %s", broken, "; ".join(broken.audit.violations))
    return False
