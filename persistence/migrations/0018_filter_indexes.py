"""Indexes for lists of sends by kind and of messages by status."""

from tortoise import migrations

from persistence.migration_steps import CreateIndexConcurrently


class Migration(migrations.Migration):
    """Built without blocking writes."""

    atomic = False
    dependencies = [("ibiki", "0017_senders_indexes")]  # noqa: RUF012
    operations = [  # noqa: RUF012
        # Partial, so that a single send and a message that is sent and delivered cost nothing more.
        CreateIndexConcurrently(
            "send_by_kind", "send (client_id, kind, id) WHERE kind <> 'SINGLE'"
        ),
        CreateIndexConcurrently(
            "message_failed",
            "message (client_id, status, id)"
            " WHERE status IN ('REJECTED', 'UNDELIVERED', 'CANCELLED')",
        ),
    ]
