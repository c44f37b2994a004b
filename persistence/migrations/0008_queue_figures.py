"""The figures of the queue are read from an index alone.

Balances, sync and /metrics sum the prices of what is queued and find the oldest of it. With
1,000,000 messages queued, this read the table for seconds. An index-only scan needs a fresh
visibility map, so new rows are vacuumed sooner than after the default of 20 % of the table.
"""

from tortoise import migrations
from tortoise.migrations import operations as ops

from persistence.migration_steps import CreateIndexConcurrently, DropIndexConcurrently

VACUUM_NEW_ROWS = """
ALTER TABLE message SET (
    autovacuum_vacuum_insert_scale_factor = 0.02, autovacuum_vacuum_insert_threshold = 10000)
"""


class Migration(migrations.Migration):
    """The index of the queue gets the price and the time of acceptance."""

    dependencies = [("ibiki", "0007_counts")]  # noqa: RUF012
    atomic = False
    operations = [  # noqa: RUF012
        CreateIndexConcurrently(
            "message_queue_with_figures",
            "message (provider_account_id, priority, client_id, due_at, id)"
            " INCLUDE (price, created_at) WHERE status = 'QUEUED'",
        ),
        DropIndexConcurrently("message_queue"),
        ops.RunSQL("ALTER INDEX message_queue_with_figures RENAME TO message_queue"),
        ops.RunSQL(VACUUM_NEW_ROWS),
    ]
