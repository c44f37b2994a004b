"""Sends whose validity period has ended are found by its end: no statement names the account."""

from tortoise import migrations
from tortoise.migrations import operations as ops

from persistence.migration_steps import CreateIndexConcurrently, DropIndexConcurrently


class Migration(migrations.Migration):
    """Built without blocking writes."""

    atomic = False
    dependencies = [("ibiki", "0044_vacuum_large_tables")]  # noqa: RUF012
    operations = [  # noqa: RUF012
        CreateIndexConcurrently(
            "send_expiring_by_end", "send (expires_at) WHERE expires_at IS NOT NULL"
        ),
        DropIndexConcurrently("send_expiring"),
        ops.RunSQL("ALTER INDEX send_expiring_by_end RENAME TO send_expiring"),
    ]
