"""Jobs: sends whose messages are written in parts, from their upload."""

from tortoise import fields, migrations
from tortoise.fields.db_defaults import Now
from tortoise.migrations import operations as ops

# A key to `upload` would let the purge of old uploads fail: it looks for jobs instead.
CONSTRAINTS = """
ALTER TABLE send_job
    ADD CONSTRAINT send_job_counts_positive CHECK (unwritten >= 0 AND cancelled >= 0),
    ADD CONSTRAINT send_job_has_plan CHECK (
        unwritten = 0 OR (plan IS NOT NULL AND accepted_rows IS NOT NULL));
-- The units in flight of a pool are summed from this index.
CREATE INDEX send_job_open ON send_job (provider_account_id) INCLUDE (unwritten, price)
    WHERE unwritten > 0;
"""


class Migration(migrations.Migration):
    """The table, and how far a large send is captured."""

    dependencies = [("ibiki", "0045_expiring_sends")]  # noqa: RUF012
    operations = [  # noqa: RUF012
        ops.CreateModel(
            name="SendJob",
            fields=[
                ("send_id", fields.UUIDField(primary_key=True)),
                ("client_id", fields.UUIDField()),
                ("provider_account_id", fields.UUIDField()),
                ("upload_id", fields.UUIDField()),
                ("price", fields.BigIntField()),
                ("plan", fields.JSONField(null=True)),
                ("accepted_rows", fields.BinaryField(null=True)),
                ("unwritten", fields.IntField()),
                ("cancelled", fields.IntField(db_default=0)),
                ("rows_read", fields.IntField(db_default=0)),
                ("scheduled", fields.IntField(db_default=0)),
                ("last_id", fields.UUIDField(null=True)),
                ("claimed_by", fields.UUIDField(null=True)),
                ("claimed_until", fields.DatetimeField(null=True)),
                ("seen_at", fields.DatetimeField(db_default=Now())),
                ("cancelled_at", fields.DatetimeField(null=True)),
                ("changed_xid", fields.BigIntField(null=True)),
            ],
            options={
                "table": "send_job",
                "app": "ibiki",
                "pk_attr": "send_id",
                "table_description": "Sends whose messages are written in parts.",
            },
            bases=["Model"],
        ),
        ops.AddField(model_name="Send", name="captured_to", field=fields.UUIDField(null=True)),
        ops.RunSQL(CONSTRAINTS),
    ]
