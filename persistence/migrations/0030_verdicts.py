"""Verdicts of delivery reports on messages that a network has refused."""

from tortoise import fields, migrations
from tortoise.migrations import operations as ops


class Migration(migrations.Migration):
    """A column that is null for almost all messages."""

    dependencies = [("ibiki", "0029_hook_triggers")]  # noqa: RUF012
    operations = [  # noqa: RUF012
        ops.AddField(model_name="Message", name="verdicts", field=fields.SmallIntField(null=True)),
    ]
