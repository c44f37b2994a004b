"""Messages are listed by client and status, whatever else waits in the queue.

One index takes the place of three. The list of all messages of a client merges its statuses. The
index by send loses the status, which only counts read that `send_tally` answers now.
"""

from tortoise import migrations
from tortoise.migrations import operations as ops

from persistence.migration_steps import CreateIndexConcurrently, DropIndexConcurrently


class Migration(migrations.Migration):
    """Built without blocking writes."""

    atomic = False
    dependencies = [("ibiki", "0042_tallies_of_old_sends")]  # noqa: RUF012
    operations = [  # noqa: RUF012
        CreateIndexConcurrently("message_by_status", "message (client_id, status, id)"),
        DropIndexConcurrently("message_by_client"),
        DropIndexConcurrently("message_failed"),
        DropIndexConcurrently("message_in_doubt"),
        CreateIndexConcurrently("message_by_send_alone", "message (send_id, id)"),
        DropIndexConcurrently("message_by_send"),
        ops.RunSQL("ALTER INDEX message_by_send_alone RENAME TO message_by_send"),
    ]
