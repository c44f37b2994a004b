"""Webhook events name the provider account that they are about, if the call does."""

from tortoise import fields, migrations
from tortoise.migrations import operations as ops


class Migration(migrations.Migration):
    """A column that may be null: nothing is rewritten."""

    dependencies = [("ibiki", "0056_original_events")]  # noqa: RUF012
    operations = [  # noqa: RUF012
        ops.AddField(
            model_name="WebhookEvent",
            name="provider_account_id",
            field=fields.UUIDField(null=True),
        ),
    ]
