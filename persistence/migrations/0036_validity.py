"""Sends whose messages are not submitted after some time."""

from tortoise import fields, migrations
from tortoise.migrations import operations as ops


class Migration(migrations.Migration):
    """A column without a rewrite. Its index comes in the next migration."""

    dependencies = [("ibiki", "0035_read_indexes")]  # noqa: RUF012
    operations = [  # noqa: RUF012
        ops.AddField(model_name="Send", name="expires_at", field=fields.DatetimeField(null=True)),
    ]
