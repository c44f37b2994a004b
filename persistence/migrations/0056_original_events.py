"""Repetitions of a webhook event name the event that has their body."""

from tortoise import fields, migrations
from tortoise.migrations import operations as ops


class Migration(migrations.Migration):
    """A column that may be null: nothing is rewritten."""

    dependencies = [("ibiki", "0055_retention")]  # noqa: RUF012
    operations = [  # noqa: RUF012
        ops.AddField(
            model_name="WebhookEvent", name="original_id", field=fields.UUIDField(null=True)
        ),
    ]
