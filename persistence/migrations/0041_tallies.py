"""Counters of large sends: changes of status, written by the statement that makes them."""

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

NEXT = SqlDefault("nextval('send_tally_number')")

# One trigger for each statement, not for each row: a batch adds one row for each large send in it.
# Rows are only added, so that dispatchers that work on the same send never wait for each other.
# Priorities 2 and 12 are those of BULK, MULTI and CSV: single messages are counted without this.
TRIGGER = f"""
CREATE INDEX send_tally_by_send ON send_tally (send_id);
-- Rows come and go: sums replace them every few seconds.
ALTER TABLE send_tally SET (
    autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);
CREATE FUNCTION message_tallies() RETURNS trigger LANGUAGE plpgsql AS $$
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
    RETURN NULL;
END $$;
CREATE TRIGGER message_tallied AFTER UPDATE ON message
    REFERENCING OLD TABLE AS replaced NEW TABLE AS written
    FOR EACH STATEMENT EXECUTE FUNCTION message_tallies();
"""  # noqa: S608 - names of our own


class Migration(migrations.Migration):
    """The table, a trigger, and a column that says whether a send is counted from its beginning.

    Old sends get false by the default of the new column, and new sends true.
    """

    dependencies = [("ibiki", "0040_route_indexes")]  # noqa: RUF012
    operations = [  # noqa: RUF012
        ops.RunSQL("CREATE SEQUENCE send_tally_number AS bigint"),
        ops.CreateModel(
            name="SendTally",
            fields=[
                ("id", fields.BigIntField(primary_key=True, generated=False, db_default=NEXT)),
                ("send_id", fields.UUIDField()),
                *[(each, fields.IntField(db_default=0)) for each in STATUSES],
            ],
            options={
                "table": "send_tally",
                "app": "ibiki",
                "pk_attr": "id",
                "table_description": "Changes of the statuses of a send's messages.",
            },
            bases=["Model"],
        ),
        ops.AddField(
            model_name="Send", name="tallied", field=fields.BooleanField(db_default=False)
        ),
        ops.AlterField("Send", "tallied", fields.BooleanField(db_default=True)),
        ops.RunSQL(TRIGGER),
    ]
