"""Keeps the feed number of an erased inbound message, so that readers can go on after it."""

from tortoise import fields, migrations
from tortoise.migrations import operations as ops


class Migration(migrations.Migration):
    """A small table."""

    dependencies = [("ibiki", "0076_due_while_waiting")]  # noqa: RUF012
    operations = [  # noqa: RUF012
        ops.CreateModel(
            name="ErasedInbound",
            fields=[
                ("id", fields.UUIDField(primary_key=True)),
                ("client_id", fields.UUIDField()),
                ("feed", fields.BigIntField()),
            ],
            options={
                "table": "erased_inbound",
                "app": "ibiki",
                "pk_attr": "id",
                "table_description": "The place in the feed of messages that were erased.",
            },
            bases=["Model"],
        ),
    ]
