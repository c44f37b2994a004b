"""Cancels of large sends that are done in parts, until the last part."""

from tortoise import fields, migrations
from tortoise.fields.db_defaults import Now
from tortoise.migrations import operations as ops


class Migration(migrations.Migration):
    """Another process finishes a cancel whose process was killed."""

    dependencies = [("ibiki", "0078_closed_months")]  # noqa: RUF012
    operations = [  # noqa: RUF012
        ops.CreateModel(
            name="UnfinishedCancel",
            fields=[
                ("send_id", fields.UUIDField(primary_key=True)),
                ("actor_id", fields.UUIDField()),
                ("seen_at", fields.DatetimeField(db_default=Now())),
            ],
            options={
                "table": "unfinished_cancel",
                "app": "ibiki",
                "pk_attr": "send_id",
                "table_description": "Sends whose cancel has begun and is not finished.",
            },
            bases=["Model"],
        ),
    ]
