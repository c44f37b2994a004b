"""Counters of the sends that were accepted before there were counters."""

from tortoise import migrations
from tortoise.migrations import operations as ops

from persistence.migration_steps import CreateIndexConcurrently, DropIndexConcurrently, RepeatSQL

STATUSES = (
    "queued",
    "submitting",
    "sent",
    "delivered",
    "undelivered",
    "rejected",
    "unknown",
    "cancelled",
)
UNCOUNTED = "NOT tallied AND kind IN ('BULK', 'MULTI', 'CSV')"

# One statement, so one snapshot: a change that commits meanwhile is in no count here, and adds its
# own row. What the trigger has counted so far is subtracted.
COUNT = f"""
WITH chosen AS MATERIALIZED (
    SELECT id, accepted FROM send WHERE {UNCOUNTED} ORDER BY id LIMIT 20 FOR NO KEY UPDATE
), added AS (
    INSERT INTO send_tally (send_id, {", ".join(STATUSES)})
    SELECT chosen.id, {
    ", ".join(
        f"count(*) FILTER (WHERE status = '{each.upper()}')"
        f" - coalesce((SELECT sum({each}) FROM send_tally WHERE send_id = chosen.id), 0)"
        + (" - max(accepted)" if each == "queued" else "")
        for each in STATUSES
    )
}
    FROM chosen CROSS JOIN LATERAL (SELECT status FROM message WHERE send_id = chosen.id) AS each
    GROUP BY chosen.id
)
UPDATE send SET tallied = true FROM chosen WHERE send.id = chosen.id
"""  # noqa: S608 - names of our own

# Without statistics of a new column, PostgreSQL takes `deleted_at IS NULL` for a rare case, and
# reads all messages of a large send for one page. Statistics of an empty table mislead it, too.
ANALYZE = """
DO $$
BEGIN
    IF EXISTS (SELECT FROM message) THEN
        ANALYZE message, send, inbound;
    END IF;
END $$;
"""


class Migration(migrations.Migration):
    """Twenty sends at a time. The index is only for this migration."""

    atomic = False
    dependencies = [("ibiki", "0041_tallies")]  # noqa: RUF012
    operations = [  # noqa: RUF012
        CreateIndexConcurrently("send_uncounted", f"send (id) WHERE {UNCOUNTED}"),
        RepeatSQL(COUNT),
        DropIndexConcurrently("send_uncounted"),
        ops.RunSQL(ANALYZE),
    ]
