"""The messages of sends, as pieces of SQL.

The IDs of the messages follow the ID of their send (`domain.ids.new_send_id`): they are a range of
the primary key, and no index has to be written for them. Messages of earlier releases have other
IDs: their `by_send` is true, and the index `message_of_earlier_send` finds them. A send can have
both, if the previous release writes a part of its job. So each read looks for both.

coalesce() around conditions for `send_id`: without it, PostgreSQL would expect too few rows.
"""

from __future__ import annotations

NO_ID = "'00000000-0000-0000-0000-000000000000'"


def last_of(send: str) -> str:
    """SQL: the last ID that a message of a send can have. `send`: its ID, in SQL."""
    return f"(left({send}::uuid::text, 30) || 'ffffff')::uuid"


def in_range(send: str) -> str:
    """The condition for messages with IDs that follow that of their send."""
    return f"message.id > {send} AND message.id <= {last_of(send)} AND {is_of(send)}"


def next_in_range(send: str) -> str:
    """Like `in_range`, for a statement that reads the first rows in the order of IDs.

    For a pair, PostgreSQL expects more rows than for a range. So it reads as many as it needs from
    the primary key, and does not sort the whole range.
    """
    last = last_of(send)
    return (
        f"message.id > {send} AND (message.id, message.send_id) <= ({last}, {last})"
        f" AND {is_of(send)}"
    )


def is_of(send: str) -> str:
    """Like `in_range`, without its ends, which would lead PostgreSQL to the primary key."""
    return f"coalesce(message.send_id = {send} AND message.by_send IS NULL, false)"


def by_index(send: str, *, since: str) -> str:
    """The condition for messages of earlier releases. `since`: see `first_of_sends`."""
    return f"message.by_send AND message.send_id = {send} AND message.id >= {since}"


def messages_of(send: str, columns: str, *, since: str = NO_ID) -> str:
    """SQL for FROM: the messages of a send.

    OFFSET 0: no condition that is added, such as for a status, can change the index.
    """
    return f"""(
    SELECT * FROM (SELECT {columns} FROM message WHERE {in_range(send)} OFFSET 0) AS ranged
    UNION ALL
    SELECT * FROM (
        SELECT {columns} FROM message WHERE {by_index(send, since=since)} OFFSET 0) AS indexed
    ) AS message"""  # noqa: S608 - names of our own


def messages_between(columns: str) -> str:
    """SQL for FROM: the messages of the sends with IDs after $1, up to $2."""
    return f"""(
    SELECT {columns} FROM message
    WHERE by_send IS NULL AND id > {last_of("$1")} AND id <= {last_of("$2")}
    UNION ALL
    SELECT {columns} FROM message WHERE by_send AND send_id > $1 AND send_id <= $2
    ) AS message"""  # noqa: S608 - names of our own
