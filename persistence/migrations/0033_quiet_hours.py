"""Quiet hours of clients."""

from tortoise import fields, migrations
from tortoise.migrations import operations as ops


class Migration(migrations.Migration):
    """The quiet hours of a client: start, end and time zone; null without any."""

    dependencies = [("ibiki", "0032_one_key_of_keys")]  # noqa: RUF012
    operations = [  # noqa: RUF012
        ops.AddField(model_name="Client", name="quiet_hours", field=fields.JSONField(null=True)),
    ]
