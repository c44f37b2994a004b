"""Sends whose validity period has ended are found by an index of the few that have one."""

from tortoise import migrations

from persistence.migration_steps import CreateIndexConcurrently


class Migration(migrations.Migration):
    """Built without blocking writes."""

    dependencies = [("ibiki", "0036_validity")]  # noqa: RUF012
    atomic = False
    operations = [  # noqa: RUF012
        CreateIndexConcurrently(
            "send_expiring", "send (provider_account_id, expires_at) WHERE expires_at IS NOT NULL"
        ),
    ]
