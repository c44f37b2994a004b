"""Counts of the messages of sends, by status.

A send of one text to many, or of a file, has counters: rows of `send_tally`, which a trigger adds
whenever a statement changes statuses. Their sums and the number of accepted messages, which all
begin as QUEUED, are the counts. A message that a job has not written yet counts as QUEUED. So a
list of sends reads some rows for each, and not 100,000 messages. Raw SQL: all counts of a page are
read by one statement.

A send with counters is in `open_send` until none of its messages can wait any more. So what is
queued is a sum over the counters of these sends, and not over a million messages: see
`persistence.ledger.platform`.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from domain.sending.messages import MessageStatus
from persistence.database import Connection, connection, fetch
from persistence.sending.messages import first_of_sends
from persistence.sending.of_send import messages_of
from persistence.sending.parts import LOST

NAMES = ", ".join(status.value.lower() for status in MessageStatus)
SUMS = ", ".join(f"sum({name})" for name in NAMES.split(", "))


def dropped(name: str) -> str:
    """SQL: a sum of the messages of a send that were dropped: see `persistence.retention.kinds`."""
    return f"coalesce((send.dropped->>'{name}')::int8, 0)"


HAS_TALLY = "tallied AND kind IN ('BULK', 'MULTI', 'CSV')"
# Messages of a job that are not written: they wait, or were cancelled before.
UNWRITTEN = {
    name: f" + coalesce((SELECT {column} FROM send_job WHERE send_id = send.id), 0)"  # noqa: S608
    for name, column in (("queued", "unwritten"), ("cancelled", "cancelled"))
}


def counts_of(send_ids: str, first_message_id: str) -> str:
    """SQL: the counts of sends. Both are parameters, such as `$1`: see `first_of_sends`."""
    tallied = ", ".join(
        f"coalesce(sum({name}), 0)::int8" + (" + accepted" if name == "queued" else "")
        for name in NAMES.split(", ")
    )
    counted = ", ".join(
        f"count(*) FILTER (WHERE status = '{name.upper()}') + {dropped(name.upper())}"
        + UNWRITTEN.get(name, "")
        for name in NAMES.split(", ")
    )
    # LATERAL: send by send, so that an index is used whatever the statistics say.
    return f"""
    SELECT send.id, counts.* FROM send CROSS JOIN LATERAL (
        SELECT {tallied} FROM send_tally WHERE send_id = send.id
    ) AS counts
    WHERE send.id = ANY({send_ids}::uuid[]) AND {HAS_TALLY}
    UNION ALL
    SELECT send.id, counts.* FROM send CROSS JOIN LATERAL (
        SELECT {counted} FROM {messages_of("send.id", "status", since=first_message_id)}
    ) AS counts
    WHERE send.id = ANY({send_ids}::uuid[]) AND NOT ({HAS_TALLY})
    """  # noqa: S608 - names of our own


def has_status(send: str, *statuses: MessageStatus) -> str:
    """SQL: whether a message of a send has one of these statuses. `send`: its ID, in SQL.

    Of a send with counters, also one that a job has not written yet.
    """
    counted = " + ".join(status.lower() for status in statuses)
    written = "accepted + " if MessageStatus.QUEUED in statuses else ""
    names = ", ".join(f"'{status}'" for status in statuses)
    messages = messages_of("whole.id", "status")
    return f"""(
    SELECT CASE WHEN {HAS_TALLY}
        THEN {written}coalesce((
            SELECT sum({counted}) FROM send_tally WHERE send_tally.send_id = whole.id), 0) > 0
        ELSE EXISTS (SELECT FROM {messages} WHERE status IN ({names})) END
    FROM send AS whole WHERE whole.id = {send})"""  # noqa: S608 - names of our own


COUNTS = counts_of("$1", "$2")

# Looks for sends with many rows among the newest rows only: the cost does not grow with the table.
FOLD = f"""
WITH crowded AS (
    SELECT send_id FROM (SELECT send_id FROM send_tally ORDER BY id DESC LIMIT $1) AS newest
    GROUP BY send_id HAVING count(*) >= $2
), chosen AS (
    SELECT id FROM send_tally WHERE send_id = ANY(ARRAY(SELECT send_id FROM crowded))
    FOR UPDATE SKIP LOCKED
), gone AS (
    DELETE FROM send_tally WHERE id = ANY(ARRAY(SELECT id FROM chosen)) RETURNING *
)
INSERT INTO send_tally (send_id, {NAMES}) SELECT send_id, {SUMS} FROM gone GROUP BY send_id
"""  # noqa: S608 - names of our own

# Looks at random sends, so that each has its turn, however many must stay open. A message with any
# other status than these three is never QUEUED again.
CLOSE = """
DELETE FROM open_send WHERE send_id = ANY (ARRAY(
    SELECT send_id FROM (SELECT send_id FROM open_send ORDER BY random() LIMIT $1) AS looked_at
    JOIN send ON send.id = send_id
    WHERE tallied AND accepted + coalesce((
        SELECT sum(queued + submitting + unknown) FROM send_tally
        WHERE send_tally.send_id = looked_at.send_id), 0) = 0))
"""

# For the audit, which compares all counts of a send as one weighted sum. With primes, different
# counts do not have the same sum by chance. A message that no claim can find is a difference.
WEIGHTS = dict(
    zip(
        NAMES.split(", "),
        (
            1000000007,
            1100000009,
            1200000041,
            1300000003,
            1400000023,
            1500000001,
            1600000009,
            1700000009,
        ),
        strict=True,
    )
)
WEIGHT_OF_TALLY = " + ".join(f"{name} * {weight}::int8" for name, weight in WEIGHTS.items())
WEIGHT_OF_MESSAGE = (
    "CASE status"
    + "".join(f" WHEN '{name.upper()}' THEN {weight}::int8" for name, weight in WEIGHTS.items())
    + f" END - {LOST}"
)

_WEIGHT_OF_DROPPED = " + ".join(
    f"{dropped(name.upper())} * {weight}::int8" for name, weight in WEIGHTS.items()
)
DROPPED = f"""
SELECT id, NULL, NULL, {dropped("messages")}, {dropped("givenBack")}, 0, 0, 0,
       {dropped("routeCredit")}, {dropped("routeCost")}, NULL, -({_WEIGHT_OF_DROPPED})
FROM send WHERE id > $1 AND id <= $2 AND dropped IS NOT NULL
"""  # noqa: S608 - names of our own
"""Sums of the messages that were dropped, as entries of the audit of sends."""

NOT_OPEN = f"""
SELECT id, NULL, NULL, 0, 0, 0, 0, 0, 0, 0, NULL, 1
FROM send WHERE id > $1 AND id <= $2 AND {HAS_TALLY}
  AND NOT EXISTS (SELECT FROM open_send WHERE send_id = send.id)
  AND accepted + coalesce((SELECT sum(queued) FROM send_tally WHERE send_id = send.id), 0) <> 0
"""  # noqa: S608 - conditions of our own
"""Sends with queued messages that are not open, as entries of the audit with a wrong sum."""

NEWEST_TALLIES = 5_000
"""Rows of counters that one fold looks at."""

MOST_CLOSED = 500
"""Open sends that one fold looks at."""

MOST_TALLIES = 20
"""Rows of counters that a send may keep."""


async def read_counts(
    send_ids: Sequence[UUID], tx: Connection | None = None
) -> dict[UUID, dict[MessageStatus, int]]:
    """The counts of each send, without those that are zero."""
    rows = await fetch(COUNTS, list(send_ids), first_of_sends(send_ids), tx=tx)
    return {
        row[0]: {
            status: count
            for status, count in zip(MessageStatus, tuple(row)[1:], strict=True)
            if count
        }
        for row in rows
    }


async def fold_tallies() -> bool:
    """Replaces a send's rows by their sum if it has many, and closes sends. True if any changed."""
    async with connection() as pooled:
        folded = await pooled.execute(FOLD, NEWEST_TALLIES, MOST_TALLIES)
        closed = await pooled.execute(CLOSE, MOST_CLOSED)
    return (folded, closed) != ("INSERT 0 0", "DELETE 0")
