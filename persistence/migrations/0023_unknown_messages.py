"""Messages that have been UNKNOWN for long are counted from an index alone."""

from tortoise import migrations

from persistence.migration_steps import CreateIndexConcurrently


class Migration(migrations.Migration):
    """An index of UNKNOWN messages by provider account and age."""

    dependencies = [("ibiki", "0022_low_balances")]  # noqa: RUF012
    atomic = False
    operations = [  # noqa: RUF012
        CreateIndexConcurrently(
            "message_unknown", "message (provider_account_id, updated_at) WHERE status = 'UNKNOWN'"
        ),
    ]
