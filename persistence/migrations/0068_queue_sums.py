"""Sums over queued single messages, kept while many of them wait, and their changes."""

from tortoise import fields, migrations
from tortoise.fields.db_defaults import SqlDefault
from tortoise.migrations import operations as ops

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
SUM_NUMBER = SqlDefault("nextval('queue_sum_number')")
CHANGE_NUMBER = SqlDefault("nextval('queue_change_number')")
CLUSTER = SqlDefault("(pg_control_system()).system_identifier")

# As before, and the changes of queued single messages for each sum that they may be in. Mostly
# there is no sum, and nothing is read or written.
TRIGGER = f"""
ALTER TABLE queue_sum SET (
    autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
ALTER TABLE queue_change SET (
    autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);
CREATE OR REPLACE FUNCTION message_tallies() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO send_tally (send_id, {", ".join(STATUSES)})
    SELECT send_id, {", ".join(STATUSES)} FROM (
        SELECT send_id, {
    ", ".join(
        f"coalesce(sum(n) FILTER (WHERE status = '{each.upper()}'), 0) AS {each}"
        for each in STATUSES
    )
}
        FROM (
            SELECT send_id, status, 1 AS n FROM written WHERE priority IN (2, 12)
            UNION ALL
            SELECT send_id, status, -1 FROM replaced WHERE priority IN (2, 12)
        ) AS change
        GROUP BY send_id
    ) AS changed
    WHERE {" OR ".join(f"{each} <> 0" for each in STATUSES)};
    IF EXISTS (SELECT FROM queue_sum) THEN
        INSERT INTO queue_change (queue_sum_id, messages, units)
        SELECT queue_sum.id, sum(n), sum(n * price) FROM (
            SELECT provider_account_id, changed_xid, price, 1 AS n FROM written
            WHERE status = 'QUEUED' AND priority IN (0, 1, 10, 11)
            UNION ALL
            SELECT provider_account_id, changed_xid, price, -1 FROM replaced
            WHERE status = 'QUEUED' AND priority IN (0, 1, 10, 11)
        ) AS change JOIN queue_sum ON changed_xid < below_xid
            AND queue_sum.provider_account_id = change.provider_account_id
        GROUP BY queue_sum.id HAVING sum(n) <> 0 OR sum(n * price) <> 0;
    END IF;
    RETURN NULL;
END $$;
"""  # noqa: S608 - names of our own


class Migration(migrations.Migration):
    """A trigger, so that the program of the previous release writes the changes, too."""

    dependencies = [("ibiki", "0067_ended_attempts")]  # noqa: RUF012
    operations = [  # noqa: RUF012
        ops.RunSQL("CREATE SEQUENCE queue_sum_number AS bigint"),
        ops.RunSQL("CREATE SEQUENCE queue_change_number AS bigint"),
        ops.CreateModel(
            name="QueueSum",
            fields=[
                (
                    "id",
                    fields.BigIntField(primary_key=True, generated=False, db_default=SUM_NUMBER),
                ),
                ("provider_account_id", fields.UUIDField()),
                ("cluster", fields.BigIntField(db_default=CLUSTER)),
                ("below_xid", fields.BigIntField()),
                ("ended_xid", fields.BigIntField(null=True)),
                ("messages", fields.BigIntField(null=True)),
                ("units", fields.BigIntField(null=True)),
            ],
            options={
                "table": "queue_sum",
                "app": "ibiki",
                "pk_attr": "id",
                "table_description": "Single messages that wait for an account, summed.",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="QueueChange",
            fields=[
                (
                    "id",
                    fields.BigIntField(primary_key=True, generated=False, db_default=CHANGE_NUMBER),
                ),
                ("queue_sum_id", fields.BigIntField()),
                ("messages", fields.BigIntField()),
                ("units", fields.BigIntField()),
            ],
            options={
                "table": "queue_change",
                "app": "ibiki",
                "pk_attr": "id",
                "table_description": "Changes of a sum since it was written.",
            },
            bases=["Model"],
        ),
        ops.RunSQL(TRIGGER),
    ]
