"""Scheduled messages and sends are found by their time, and the figures of the queue by an index.

The age of a scheduled message counts from its time, so the index of the queue has that as well.
"""

from tortoise import migrations
from tortoise.migrations import operations as ops

from persistence.migration_steps import CreateIndexConcurrently, DropIndexConcurrently


class Migration(migrations.Migration):
    """The index of the queue gets the time of a message; sends are found by theirs."""

    dependencies = [("ibiki", "0025_scheduled")]  # noqa: RUF012
    atomic = False
    operations = [  # noqa: RUF012
        CreateIndexConcurrently(
            "message_queue_with_times",
            "message (provider_account_id, priority, client_id, due_at, id)"
            " INCLUDE (price, created_at, send_at) WHERE status = 'QUEUED'",
        ),
        DropIndexConcurrently("message_queue"),
        ops.RunSQL("ALTER INDEX message_queue_with_times RENAME TO message_queue"),
        CreateIndexConcurrently(
            "message_scheduled", "message (due_at) WHERE status = 'QUEUED' AND priority >= 10"
        ),
        CreateIndexConcurrently(
            "send_scheduled", "send (client_id, due_until) WHERE due_until IS NOT NULL"
        ),
    ]
