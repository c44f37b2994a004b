"""The index by status has no message of a large send before its call has ended.

A message is QUEUED and SUBMITTING for a moment, and each of both had an entry. Lists of these two
statuses read what the dispatchers read: see `persistence.sending.waiting`.
"""

from tortoise import migrations

from persistence.migration_steps import CreateIndexConcurrently, DropIndexConcurrently


class Migration(migrations.Migration):
    """Built without blocking writes. No index is renamed: the step may be repeated at any point."""

    atomic = False
    dependencies = [("ibiki", "0064_message_of_earlier_send")]  # noqa: RUF012
    operations = [  # noqa: RUF012
        CreateIndexConcurrently(
            "message_listed",
            "message (client_id, status, id)"
            " WHERE status NOT IN ('QUEUED', 'SUBMITTING') OR priority NOT IN (2, 12)",
        ),
        DropIndexConcurrently("message_by_status"),
    ]
