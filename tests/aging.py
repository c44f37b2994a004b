"""Makes the rows of a test older: their times, and the times in their IDs."""

from __future__ import annotations

import asyncpg

from persistence.servers import credentials

IDS = {
    "send": "id",
    "send_tally": "send_id",
    "open_send": "send_id",
    "queued_part": "first_id last_id send_id",
    "message": "id send_id attempt_id",
    "sent_to": "message_id",
    "attempt": "id",
    "transfer": "id send_id message_id",
    "inbound": "id",
    "webhook_event": "id inbound_id",
    "webhook_event_key": "event_id",
    "conversation": "id last_message_id last_inbound_id",
    "conversation_line": "last_active_id",
    "contact": "id",
    "opt_out": "inbound_id",
    "account": "",
}
"""The columns with UUIDv7 that become older, by table."""

# UUIDv7 begins with 48 bits of milliseconds. Only IDs of the last day are changed.
FUNCTIONS = """
SET session_replication_role = replica;
CREATE FUNCTION pg_temp.milliseconds(id uuid) RETURNS bigint IMMUTABLE LANGUAGE sql AS $$
    SELECT ('x' || left(replace(id::text, '-', ''), 12))::bit(48)::bigint $$;
CREATE FUNCTION pg_temp.older(id uuid, days int) RETURNS uuid LANGUAGE sql AS $$
    SELECT CASE WHEN pg_temp.milliseconds(id) < 1000 * (extract(epoch FROM now()) - 86400)
        THEN id ELSE (
            lpad(to_hex(pg_temp.milliseconds(id) - days * 86400000::bigint), 12, '0')
            || substr(replace(id::text, '-', ''), 13))::uuid END $$;
CREATE FUNCTION pg_temp.older(moment timestamptz, days int) RETURNS timestamptz LANGUAGE sql AS $$
    SELECT CASE WHEN moment < now() - interval '1 day'
        THEN moment ELSE moment - make_interval(days => days) END $$;
"""
TIMES = """
SELECT column_name FROM information_schema.columns
WHERE table_schema = 'public' AND table_name = $1 AND data_type LIKE 'timestamp%'
"""


async def as_superuser(url: str, statement: str) -> None:
    """Changes rows as the superuser. Triggers and checks are off."""
    connection = await asyncpg.connect(**{**credentials(url), "user": "postgres"})
    try:
        await connection.execute(f"SET session_replication_role = replica; {statement}")
    finally:
        await connection.close()


async def make_older(url: str, days: int) -> None:
    """Moves all sends, messages, transfers and events of the last day back by this many days."""
    connection = await asyncpg.connect(**{**credentials(url), "user": "postgres"})
    try:
        await connection.execute(FUNCTIONS)
        async with connection.transaction():
            for table, ids in IDS.items():
                times = [row[0] for row in await connection.fetch(TIMES, table)]
                changes = ", ".join(
                    f"{each} = pg_temp.older({each}, {days})" for each in [*ids.split(), *times]
                )
                if changes:
                    await connection.execute(f"UPDATE {table} SET {changes}")
    finally:
        await connection.close()
