"""After a restore to an earlier time: what was QUEUED then may have been sent since.

The restored database does not know it, and would send these messages a second time. So they become
UNKNOWN: they stay charged, are never sent automatically, and a person settles them by the
provider's log. Messages that were SUBMITTING become UNKNOWN by themselves, when their lease ends.

What a job had not written by then may have been written and sent since, too: it is written first.
"""

from __future__ import annotations

from uuid import UUID

from domain.dispatch.jobs import JobWriter
from domain.dispatch.messages import AttemptEnd, Call
from domain.dispatch.ports import Restoring
from domain.dispatch.recording import write_settlement
from domain.dispatch.settlement import as_unknown
from domain.ids import new_id

DETAIL = "Restored from a backup: it may have been sent after the restored point."
PAGE = 500
"""Messages of one transaction."""


class DispatchersRunning(Exception):
    """Stop every `ibiki dispatch` and `ibiki up` first: they send what is queued."""


async def doubt_queued(store: Restoring, jobs: JobWriter) -> int:
    """Makes all QUEUED messages UNKNOWN whose time has come. Returns how many. Safe to repeat.

    Messages that are scheduled for later stay QUEUED: they were not due before the restore either.
    `jobs`: writes the rest of the files, however many messages wait.

    Raises DispatchersRunning, or Disconnected if the database is unavailable.
    """
    if await store.has_dispatchers():
        raise DispatchersRunning
    await store.note_restored()
    while await jobs.step() or await store.other_jobs_wait():
        pass
    doubted = 0
    for provider_account_id in await store.accounts_with_queue():
        while found := await _doubt_page(store, provider_account_id):
            doubted += found
    await store.note_restored()
    return doubted


async def _doubt_page(store: Restoring, provider_account_id: UUID) -> int:
    async with store.transaction() as tx:
        account = await store.lock_provider_account(tx, provider_account_id)
        queued = await store.pick_due(tx, provider_account_id, most=PAGE)
        if not queued:
            return 0
        # One attempt for all: no call was made, so there is no tenant that another could delay.
        call = Call(new_id(), queued)
        await store.mark_calls(tx, account, [call], dispatcher_id=new_id(), lease_seconds=0)
        ids = [each.id for each in queued]
        messages = await store.lock_undecided(tx, [call.attempt_id], only=ids)
        transitions = [each for message in messages if (each := as_unknown(message))]
        await write_settlement(store, tx, account, transitions)
        await store.end_attempts(tx, [AttemptEnd(call.attempt_id, "UNKNOWN", DETAIL)])
    return len(queued)
