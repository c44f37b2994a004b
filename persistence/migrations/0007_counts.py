"""Counts a send's messages by status from an index alone: a large send has 100,000 of them."""

from tortoise import migrations
from tortoise.migrations import operations as ops

from persistence.migration_steps import CreateIndexConcurrently, DropIndexConcurrently


class Migration(migrations.Migration):
    """The index of a send's messages gets the status."""

    dependencies = [("ibiki", "0006_uploads")]  # noqa: RUF012
    atomic = False
    operations = [  # noqa: RUF012
        CreateIndexConcurrently(
            "message_by_send_with_status", "message (send_id, id) INCLUDE (status)"
        ),
        DropIndexConcurrently("message_by_send"),
        ops.RunSQL("ALTER INDEX message_by_send_with_status RENAME TO message_by_send"),
    ]
