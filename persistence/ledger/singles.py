"""Single messages that wait for a provider account: how many, and their units. Raw SQL: sums.

If few wait, they are read one by one, from an index of only them. If many wait, a row of
`queue_sum` has their sum, and only later messages are read. Accepting a message writes nothing
here: a sum is of the messages whose last change was by a transaction below `below_xid`, and no
later transaction can add one to these. Only an UPDATE removes one, or puts one back. A trigger
writes what each statement changed into `queue_change`, in its transaction. So a sum with its
changes is exact in every snapshot, and the audit compares it with the messages.

A sum is first added without a figure. It gets its figure when all transactions have ended that may
have changed messages without seeing the sum. A transaction ID means nothing on another server, for
example after a restore from a dump: `cluster` is the server that the sum was made on.
"""

from __future__ import annotations

from domain.sending.messages import LATER, PRIORITY, SendKind
from persistence.database import transaction

LARGE_KINDS = (SendKind.BULK, SendKind.MULTI, SendKind.CSV)
# The priorities of messages of large sends, and of others.
LARGE = {PRIORITY[kind] for kind in LARGE_KINDS}
_ALONE = sorted(set(PRIORITY.values()) - LARGE)
ALONE = f"ARRAY[{', '.join(str(each + later) for later in (0, LATER) for each in _ALONE)}]::int2[]"

SUM_FROM = 20_000
"""This many messages outside of a sum are read in about a millisecond."""

ONE_FOLD = 0x1B1C3
TRY_LOCK = "SELECT pg_try_advisory_xact_lock($1)"

_IS_OURS = "cluster = (SELECT system_identifier FROM pg_control_system())"
_OF_CHANGES = """
SELECT coalesce(sum(messages), 0) AS messages, coalesce(sum(units), 0) AS units
FROM queue_change WHERE queue_sum_id = {}"""
_READ = f"""
SELECT count(*) AS messages, coalesce(sum(price), 0) AS units FROM message
WHERE provider_account_id = {{0}} AND status = 'QUEUED' AND priority = ANY({ALONE})
  AND changed_xid {{1}}"""  # noqa: S608 - numbers of our own
_NEWEST = f"""
SELECT max(id) AS id, coalesce(max(below_xid), 0) AS below_xid FROM queue_sum
WHERE queue_sum.provider_account_id = {{0}} AND messages IS NOT NULL AND {_IS_OURS}"""  # noqa: S608
# `{0}`: the account, in SQL.
SINGLES_WAITING = f"""
SELECT coalesce(sum(each.messages), 0)::int8 AS messages,
       coalesce(sum(each.units), 0)::int8 AS units
FROM ({_NEWEST}) AS newest CROSS JOIN LATERAL (
    SELECT messages, units FROM queue_sum WHERE queue_sum.id = newest.id
    UNION ALL {_OF_CHANGES.format("newest.id")}
    UNION ALL {_READ.format("{0}", ">= newest.below_xid")}
) AS each
"""  # noqa: S608 - names of our own

# The changes of a sum without a figure stay until it has one.
FOLD = """
WITH gone AS (
    DELETE FROM queue_change
    WHERE queue_sum_id <> ALL (ARRAY(SELECT id FROM queue_sum WHERE messages IS NULL))
    RETURNING *
)
UPDATE queue_sum SET messages = queue_sum.messages + change.messages,
                     units = queue_sum.units + change.units
FROM (SELECT queue_sum_id, sum(messages) AS messages, sum(units) AS units
      FROM gone GROUP BY queue_sum_id) AS change
WHERE queue_sum.id = change.queue_sum_id
"""
# The figure is the sum of all that wait now, without later messages, and without the changes of the
# sum: a read adds both.
WRITE_FIGURE = f"""
UPDATE queue_sum AS opened SET (messages, units) = (
    SELECT single.messages - later.messages - change.messages,
           single.units - later.units - change.units
    FROM ({SINGLES_WAITING.format("opened.provider_account_id")}) AS single,
         ({_READ.format("opened.provider_account_id", ">= opened.below_xid")}) AS later,
         ({_OF_CHANGES.format("opened.id")}) AS change)
WHERE messages IS NULL AND ended_xid <= pg_snapshot_xmin(pg_current_snapshot())::text::int8
"""  # noqa: S608 - names of our own
# A step after OPEN: each transaction that changes messages without seeing the row is below the ID.
WAIT_FOR_OTHERS = """
UPDATE queue_sum SET ended_xid = pg_snapshot_xmax(pg_current_snapshot())::text::int8
WHERE ended_xid IS NULL
"""
DROP = f"""
DELETE FROM queue_sum WHERE NOT {_IS_OURS}
    OR messages < $1
    OR (messages IS NOT NULL AND EXISTS (
        SELECT FROM queue_sum AS newer
        WHERE newer.provider_account_id = queue_sum.provider_account_id
          AND newer.messages IS NOT NULL AND newer.id > queue_sum.id))
"""  # noqa: S608 - conditions of our own
OPEN = f"""
INSERT INTO queue_sum (provider_account_id, below_xid)
SELECT upstream.id, pg_snapshot_xmax(pg_current_snapshot())::text::int8
FROM provider_account AS upstream CROSS JOIN LATERAL ({_NEWEST.format("upstream.id")}) AS newest
CROSS JOIN LATERAL (
    SELECT FROM message
    WHERE message.provider_account_id = upstream.id AND status = 'QUEUED'
      AND priority = ANY({ALONE}) AND changed_xid >= newest.below_xid
    ORDER BY changed_xid OFFSET $1 LIMIT 1) AS last
WHERE NOT EXISTS (
    SELECT FROM queue_sum AS opened
    WHERE opened.provider_account_id = upstream.id AND messages IS NULL)
"""  # noqa: S608 - names of our own

# Whether a figure differs from the messages, for the audit: of the account of a row of `account`.
DIFFERS = f"""
EXISTS (
    SELECT FROM queue_sum AS summed
    CROSS JOIN LATERAL ({_OF_CHANGES.format("summed.id")}) AS change
    CROSS JOIN LATERAL ({_READ.format("summed.provider_account_id", "< summed.below_xid")}) AS found
    WHERE summed.provider_account_id = account.provider_account_id AND summed.{_IS_OURS}
      AND (summed.messages + change.messages, summed.units + change.units)
          <> (found.messages, found.units))
"""


async def sum_singles() -> bool:
    """One step of the sums: each is opened, gets its figure some steps later, and is replaced.

    Always False: nothing is to be done before the next step.
    """
    async with transaction() as tx:
        if await tx.fetchval(TRY_LOCK, ONE_FOLD):
            await tx.execute(FOLD)
            await tx.execute(WRITE_FIGURE)
            await tx.execute(WAIT_FOR_OTHERS)
            await tx.execute(DROP, SUM_FROM // 2)
            await tx.execute(OPEN, SUM_FROM)
    return False
