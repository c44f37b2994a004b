"""Rounds of status queries for messages that were sent long after they were accepted."""

from tortoise import fields, migrations
from tortoise.migrations import operations as ops


class Migration(migrations.Migration):
    """A column without a rewrite. Its index comes in the next migration."""

    dependencies = [("ibiki", "0046_quiet_hours_of_sends")]  # noqa: RUF012
    operations = [  # noqa: RUF012
        ops.AddField(
            model_name="StatusPoll", name="after_due_at", field=fields.DatetimeField(null=True)
        ),
    ]
