"""Indexes for what an admin reads of all clients: conversations, and unrouted events."""

from tortoise import migrations

from persistence.migration_steps import CreateIndexConcurrently


class Migration(migrations.Migration):
    """Built without blocking writes."""

    atomic = False
    dependencies = [("ibiki", "0034_failing_hooks")]  # noqa: RUF012
    operations = [  # noqa: RUF012
        CreateIndexConcurrently(
            "conversation_by_last_message", "conversation (last_message_id DESC)"
        ),
        CreateIndexConcurrently(
            "conversation_unread_of_all", "conversation (last_message_id DESC) WHERE unread > 0"
        ),
        # webhookStatus counts them all, from the index alone.
        CreateIndexConcurrently(
            "webhook_event_assignable",
            "webhook_event (id) WHERE outcome = 'UNROUTED' AND due_at IS NULL",
        ),
    ]
