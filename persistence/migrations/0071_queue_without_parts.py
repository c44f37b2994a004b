"""The index of the queue has no messages that are in a part of a bulk."""

from tortoise import migrations

from persistence.migration_steps import CreateIndexConcurrently, DropIndexConcurrently


class Migration(migrations.Migration):
    """Built without blocking writes. No index is renamed: the step may be repeated at any point."""

    atomic = False
    dependencies = [("ibiki", "0070_queued_parts")]  # noqa: RUF012
    operations = [  # noqa: RUF012
        CreateIndexConcurrently(
            "message_queued_apart",
            "message (provider_account_id, priority, client_id, due_at, id)"
            " WHERE status = 'QUEUED'"
            " AND (in_part AND attempts = 0 AND send_at IS NULL) IS NOT TRUE",
        ),
        DropIndexConcurrently("message_queued"),
    ]
