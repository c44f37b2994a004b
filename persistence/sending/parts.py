"""Parts of bulks in the queue, as pieces of SQL. docs/decisions/0181 says what they save.

The messages of a large send, or of a part of its job, that are written by one COPY and due at once
are a part: one row of `queued_part`, with their first and last ID. They are in the order of their
IDs in the primary key, so they need no entry in the index of the queue.

A message is in its part as long as it is QUEUED, was never tried, and has no time. It cannot come
back: a claim counts an attempt, and one that is held gets a time. Such a message is then in the
index, like all others. So no row is written when one leaves its part, and a part only becomes
smaller. `first_id` is a lower bound, which `shorten_parts` raises once a second.

A message that is in a part has the account, the client and the `due_at` of its part.
"""

from __future__ import annotations

LEAST_OF_PART = 1_000
"""Smaller sends have entries in the index: a look at the queue reads each part."""

_IN_PART = "message.in_part AND message.attempts = 0 AND message.send_at IS NULL"
QUEUED_IN_PART = f"coalesce(message.status = 'QUEUED' AND {_IN_PART}, false)"
QUEUED_APART = f"message.status = 'QUEUED' AND ({_IN_PART}) IS NOT TRUE"
"""The condition of the index `message_queued_apart`: a read without it cannot use the index."""


def first_in(columns: str = "message.id") -> str:
    """The SELECT of the first message that is in `part`, a row of queued_part."""
    return f"{all_in(columns)} ORDER BY message.id LIMIT 1"


# Pairs and coalesce(): of a range, and of so many conditions, PostgreSQL would expect few rows. It
# would read the whole part and sort it, for its first message.
BETWEEN_ITS_ENDS = """
(message.id, message.send_id) >= ({first}, '00000000-0000-0000-0000-000000000000')
AND (message.id, message.send_id) <= ({last}, {last})"""


def all_in(columns: str) -> str:
    """The SELECT of the messages that are in `part`, a row of queued_part."""
    ends = BETWEEN_ITS_ENDS.format(first="part.first_id", last="part.last_id")
    return f"SELECT {columns} FROM message WHERE {ends} AND {QUEUED_IN_PART}"  # noqa: S608


# Messages that a paused account has not been tried with for so long: `LOCK_OVERDUE` has the others.
OVERDUE_IN_PARTS = f"""
SELECT each.id FROM provider_account AS upstream
JOIN queued_part AS part ON part.provider_account_id = upstream.id CROSS JOIN LATERAL (
    {all_in("message.id, message.created_at")} ORDER BY message.id LIMIT $4) AS each
WHERE upstream.id = $1 AND paused_at < clock_timestamp() - make_interval(secs => $3)
  AND part.first_id < $2 AND each.created_at < clock_timestamp() - make_interval(secs => $3)
LIMIT $4
"""  # noqa: S608 - names of our own
PAST_IN_PARTS = f"""
SELECT each.id FROM queued_part AS part CROSS JOIN LATERAL (
    {all_in("message.id")} ORDER BY message.id LIMIT $2) AS each
WHERE part.provider_account_id = $1 AND part.send_id = ANY($3::uuid[]) LIMIT $2
"""  # noqa: S608 - names of our own

# For the audit: 1 for a message without its part. Parts do not overlap.
LOST = f"""
CASE WHEN {QUEUED_IN_PART} AND (
    SELECT first_id <= message.id FROM queued_part WHERE last_id >= message.id
    ORDER BY last_id LIMIT 1) IS NOT TRUE THEN 1 ELSE 0 END
"""  # noqa: S608 - names of our own

# A message that is in no part now never will be, so this locks no messages. SKIP LOCKED: two
# dispatchers do not wait for each other.
SHORTEN = f"""
WITH looked AS MATERIALIZED (
    SELECT last_id, ({first_in()}) AS id FROM queued_part AS part
), part AS MATERIALIZED (
    SELECT last_id, looked.id FROM looked JOIN queued_part USING (last_id)
    WHERE looked.id IS DISTINCT FROM first_id FOR UPDATE OF queued_part SKIP LOCKED
), gone AS (
    DELETE FROM queued_part USING part
    WHERE queued_part.last_id = part.last_id AND part.id IS NULL
)
UPDATE queued_part SET first_id = part.id
FROM part WHERE queued_part.last_id = part.last_id AND part.id > first_id
"""  # noqa: S608 - names of our own
