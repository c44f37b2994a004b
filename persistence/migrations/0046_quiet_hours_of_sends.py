"""Sends keep the quiet hours that apply to them."""

from tortoise import fields, migrations
from tortoise.migrations import operations as ops


class Migration(migrations.Migration):
    """A column without a rewrite. Older sends have none: their messages keep their times."""

    dependencies = [("ibiki", "0045_expiring_sends")]  # noqa: RUF012
    operations = [  # noqa: RUF012
        ops.AddField(model_name="Send", name="quiet_hours", field=fields.JSONField(null=True)),
    ]
