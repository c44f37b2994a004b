"""Statistics of messages: how many of each status, and what they cost, by hour or day.

SQL, because it groups millions of messages.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from domain.identity.access import Everything, Scope
from domain.sending.lists import Period, StatRow
from domain.sending.messages import MessageStatus
from persistence.database import fetch_with_plan
from persistence.ledger.singles import LARGE_KINDS
from persistence.long_reads import long_read
from persistence.planned import in_turn
from persistence.sending.listed import first_id, last_id, rows_within
from persistence.sending.messages import add_time
from persistence.sending.of_send import last_of
from persistence.sending.waiting import messages_of_client

COUNTED_FROM = 200
"""Sends with this many messages are counted by their counters. To read fewer is as fast."""

# With date_trunc() in a time zone, this took 1.5 times as long.
STARTS_AT = "date_bin({by}, created_at, '2000-01-01 00:00:00+00') AS starts_at"
STATS = f"""
SELECT {STARTS_AT}, status, count(*) AS messages, sum(price)::int8 AS units
FROM ({{messages}}) AS message GROUP BY 1, 2
"""  # noqa: S608 - names of our own
# Of all clients. All messages of a large send have the time of the send, and the range of its IDs.
# So they come from its counters, without those that a job has not written. The others are read from
# the gaps between these ranges. Messages of earlier releases are in no range.
_COUNTS = ", ".join(
    f"('{each}', {'accepted + ' if each is MessageStatus.QUEUED else ''}tally.{each.lower()}"
    + {
        MessageStatus.QUEUED: " - coalesce(job.unwritten, 0)",
        MessageStatus.CANCELLED: " - coalesce(job.cancelled, 0)",
    }.get(each, "")
    + ")"
    for each in MessageStatus
)
_SUMS = ", ".join(f"coalesce(sum({each.lower()}), 0) AS {each.lower()}" for each in MessageStatus)
STATS_OF_ALL = f"""
WITH large AS MATERIALIZED (
    SELECT send.* FROM client CROSS JOIN unnest({{kinds}}::text[]) AS large (kind)
    CROSS JOIN LATERAL (
        SELECT id, created_at, price, accepted FROM send
        WHERE client_id = client.id AND send.kind = large.kind AND kind <> 'SINGLE'
          AND id BETWEEN {{first}} AND {{last}} AND accepted >= {{fewest}}
          AND tallied AND dropped IS NULL OFFSET 0) AS send
), gap AS (
    SELECT since, lead(id, 1, {{last}}) OVER (ORDER BY id) AS until FROM (
        SELECT {{first}} AS id, {{first}} AS since
        UNION ALL SELECT id, {last_of("id")} FROM large) AS edge
), counted AS (
    SELECT large.created_at, status, messages, messages * large.price AS units FROM large
    CROSS JOIN LATERAL (SELECT {_SUMS} FROM send_tally WHERE send_id = large.id) AS tally
    LEFT JOIN send_job AS job ON job.send_id = large.id
    CROSS JOIN LATERAL (VALUES {_COUNTS}) AS each (status, messages)
    WHERE messages > 0
    UNION ALL
    SELECT message.* FROM gap CROSS JOIN LATERAL (
        SELECT created_at, status, 1, price FROM message
        WHERE id > since AND id <= until
          AND (by_send IS NULL OR send_id NOT IN (SELECT id FROM large)) OFFSET 0) AS message
)
SELECT {STARTS_AT}, status, sum(messages)::int8, sum(units)::int8
FROM counted {{wanted}} GROUP BY 1, 2
"""  # noqa: S608 - names of our own


async def read_message_stats(
    scope: Scope,
    by: Period,
    starts_at: datetime,
    ends_at: datetime,
    *,
    client_id: UUID | None = None,
) -> list[StatRow]:
    wanted = rows_within(scope)
    if client_id is not None:
        wanted.add("client_id = {}", client_id)
    add_time(wanted, starts_at, ends_at)
    ends = [wanted.value(first_id(starts_at)), wanted.value(last_id(ends_at))]
    length = wanted.value(by.length)
    if client_id is None and scope == Everything():
        statement = STATS_OF_ALL.format(
            by=length,
            kinds=wanted.value([each.value for each in LARGE_KINDS]),
            fewest=wanted.value(COUNTED_FROM),
            first=ends[0],
            last=ends[1],
            wanted=wanted.where,
        )
    else:
        messages = messages_of_client(wanted, "created_at, status, price", *ends)
        statement = STATS.format(by=length, messages=messages)
    async with in_turn(scope, searches=True):
        rows = await long_read(lambda held: fetch_with_plan(held, statement, *wanted.values))
    return [StatRow(row[0], MessageStatus(row[1]), row[2], row[3]) for row in rows]
