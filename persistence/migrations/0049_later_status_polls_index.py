"""Scheduled messages that were sent, in the order of their times."""

from tortoise import migrations

from persistence.migration_steps import CreateIndexConcurrently


class Migration(migrations.Migration):
    """Messages that were not scheduled are not in it, so they do not pay for it."""

    dependencies = [("ibiki", "0048_later_status_polls")]  # noqa: RUF012
    atomic = False
    operations = [  # noqa: RUF012
        CreateIndexConcurrently(
            "message_sent_later",
            "message (provider_account_id, send_at, id)"
            " WHERE send_at IS NOT NULL AND status IN ('SENT', 'UNKNOWN')",
        ),
    ]
