"""Parts of bulks: their messages need no entry in the index of the queue."""

from tortoise import fields, migrations
from tortoise.migrations import operations as ops

# Rows come and go.
SETTINGS = """
ALTER TABLE queued_part SET (
    autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
CREATE INDEX queued_part_by_client ON queued_part (provider_account_id, client_id, due_at, last_id);
"""


class Migration(migrations.Migration):
    """Messages so far, and those of the previous release, are in no part."""

    dependencies = [("ibiki", "0069_queued_singles")]  # noqa: RUF012
    operations = [  # noqa: RUF012
        ops.AddField(model_name="Message", name="in_part", field=fields.BooleanField(null=True)),
        ops.CreateModel(
            name="QueuedPart",
            fields=[
                ("last_id", fields.UUIDField(primary_key=True)),
                ("first_id", fields.UUIDField()),
                ("send_id", fields.UUIDField()),
                ("client_id", fields.UUIDField()),
                ("provider_account_id", fields.UUIDField()),
                ("due_at", fields.DatetimeField()),
            ],
            options={
                "table": "queued_part",
                "app": "ibiki",
                "pk_attr": "last_id",
                "table_description": "Messages of a bulk that wait, between two IDs.",
            },
            bases=["Model"],
        ),
        ops.RunSQL(SETTINGS),
    ]
