"""Queued single messages by the transaction that wrote them: those that no sum includes are read.

The transaction comes before the price. So a batch, which is one transaction, is one entry for each
price.
"""

from tortoise import migrations

from persistence.migration_steps import CreateIndexConcurrently, DropIndexConcurrently


class Migration(migrations.Migration):
    """Built without blocking writes. No index is renamed: the step may be repeated at any point."""

    atomic = False
    dependencies = [("ibiki", "0068_queue_sums")]  # noqa: RUF012
    operations = [  # noqa: RUF012
        CreateIndexConcurrently(
            "message_queued_single",
            "message (provider_account_id, changed_xid, price)"
            " WHERE status = 'QUEUED' AND priority = ANY(ARRAY[0, 1, 10, 11]::int2[])",
        ),
        DropIndexConcurrently("message_queued_alone"),
    ]
