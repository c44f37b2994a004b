"""Sends that are due later: the time that was asked for, and the time of each message."""

from tortoise import fields, migrations
from tortoise.migrations import operations as ops


class Migration(migrations.Migration):
    """The time of a send and of its messages; null for at once."""

    dependencies = [("ibiki", "0024_accounts_at_run_time")]  # noqa: RUF012
    operations = [  # noqa: RUF012
        ops.AddField(model_name="Send", name="send_at", field=fields.DatetimeField(null=True)),
        ops.AddField(model_name="Send", name="held", field=fields.IntField(db_default=0)),
        ops.AddField(model_name="Send", name="due_until", field=fields.DatetimeField(null=True)),
        ops.AddField(model_name="Message", name="send_at", field=fields.DatetimeField(null=True)),
    ]
