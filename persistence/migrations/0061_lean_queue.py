"""The index of the queue has no columns besides its key.

What is paid for messages that wait is summed from counters; for single messages and replies, from
their own index, which has equal entries only once for each place.
"""

from tortoise import migrations

from persistence.migration_steps import CreateIndexConcurrently, DropIndexConcurrently


class Migration(migrations.Migration):
    """Built without blocking writes. No index is renamed: the step may be repeated at any point."""

    atomic = False
    dependencies = [("ibiki", "0060_hooks_of_statements")]  # noqa: RUF012
    operations = [  # noqa: RUF012
        CreateIndexConcurrently(
            "message_queued",
            "message (provider_account_id, priority, client_id, due_at, id)"
            " WHERE status = 'QUEUED'",
        ),
        CreateIndexConcurrently(
            "message_queued_alone",
            "message (provider_account_id, price)"
            " WHERE status = 'QUEUED' AND priority = ANY(ARRAY[0, 1, 10, 11]::int2[])",
        ),
        DropIndexConcurrently("message_queue"),
    ]
