"""Indexes by which changes are found in their order."""

from tortoise import migrations

from persistence.migration_steps import CreateIndexConcurrently, DropIndexConcurrently

BRIN = "USING brin (changed_xid, updated_at) WITH (pages_per_range = 16, autosummarize = on)"


class Migration(migrations.Migration):
    """BRIN is small and keeps updates HOT. Conversations change all over their table."""

    dependencies = [("ibiki", "0010_change_order")]  # noqa: RUF012
    atomic = False
    operations = [  # noqa: RUF012
        CreateIndexConcurrently("message_changed", f"message {BRIN}"),
        CreateIndexConcurrently("webhook_event_changed", f"webhook_event {BRIN}"),
        CreateIndexConcurrently("conversation_by_change_order", "conversation (changed_xid, id)"),
        DropIndexConcurrently("webhook_event_by_change"),
    ]
