"""Runs of reconcile, the differences that they find, and work that is done once a day."""

from tortoise import fields, migrations
from tortoise.fields.db_defaults import Now
from tortoise.migrations import operations as ops

CONSTRAINTS = """
ALTER TABLE reconciliation
    ADD CONSTRAINT reconciliation_counts_positive CHECK (
        sends_checked >= 0 AND messages_checked >= 0 AND charged_missing >= 0
        AND refunded_excess >= 0 AND unknown_left >= 0);
-- One run at a time.
CREATE UNIQUE INDEX reconciliation_one_open ON reconciliation ((finished_at IS NULL))
    WHERE finished_at IS NULL;
ALTER TABLE reconciliation_difference
    ADD CONSTRAINT reconciliation_difference_run_exists
        FOREIGN KEY (reconciliation_id) REFERENCES reconciliation (id);
CREATE INDEX reconciliation_difference_by_run ON reconciliation_difference (reconciliation_id, id);
-- Differences that a reading already includes count as corrections without a transfer.
CREATE INDEX reconciliation_difference_in_reading ON reconciliation_difference (send_id)
    INCLUDE (expected, found) WHERE in_reading;
CREATE INDEX reconciliation_difference_open ON reconciliation_difference (created_at)
    WHERE NOT corrected;
-- Not at once on a new installation: from the next night on.
INSERT INTO scheduled_run (name, started_at) VALUES ('reconcile', now());
"""


COUNTS = (
    "sends_checked",
    "messages_checked",
    "charged_missing",
    "refunded_excess",
    "unknown_before",
    "unknown_resolved",
    "unknown_left",
)


class Migration(migrations.Migration):
    """The tables of reconcile."""

    dependencies = [("ibiki", "0013_upload_layout")]  # noqa: RUF012
    operations = [  # noqa: RUF012
        ops.CreateModel(
            name="Reconciliation",
            fields=[
                ("id", fields.UUIDField(primary_key=True)),
                ("actor_id", fields.UUIDField(null=True)),
                ("dry_run", fields.BooleanField(db_default=False)),
                ("since", fields.DatetimeField(null=True)),
                ("started_at", fields.DatetimeField(db_default=Now())),
                ("heartbeat_at", fields.DatetimeField(db_default=Now())),
                ("finished_at", fields.DatetimeField(null=True)),
                *[(name, fields.BigIntField(db_default=0)) for name in COUNTS],
            ],
            options={
                "table": "reconciliation",
                "app": "ibiki",
                "pk_attr": "id",
                "table_description": "One run of reconcile. `heartbeat_at`: when it was last seen"
                " alive.",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="ReconciliationDifference",
            fields=[
                ("id", fields.UUIDField(primary_key=True)),
                ("reconciliation_id", fields.UUIDField()),
                ("client_id", fields.UUIDField()),
                ("send_id", fields.UUIDField()),
                ("expected", fields.BigIntField()),
                ("found", fields.BigIntField()),
                ("corrected", fields.BooleanField()),
                ("in_reading", fields.BooleanField(db_default=False)),
                ("explanation", fields.TextField()),
                ("created_at", fields.DatetimeField(db_default=Now())),
            ],
            options={
                "table": "reconciliation_difference",
                "app": "ibiki",
                "pk_attr": "id",
                "table_description": "A send whose transfers did not match its messages, and what"
                " was done about it.",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="ScheduledRun",
            fields=[
                ("name", fields.CharField(max_length=50, primary_key=True)),
                ("started_at", fields.DatetimeField(null=True)),
            ],
            options={
                "table": "scheduled_run",
                "app": "ibiki",
                "pk_attr": "name",
                "table_description": "Work that one process does at a time of the day, and when it"
                " was last started.",
            },
            bases=["Model"],
        ),
        ops.RunSQL(CONSTRAINTS),
    ]
