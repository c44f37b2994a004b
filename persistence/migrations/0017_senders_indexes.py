"""Indexes for pending opt-outs: their list, their alarm, and the clients that they may concern."""

from tortoise import migrations
from tortoise.migrations import operations as ops

from persistence.migration_steps import CreateIndexConcurrently

VALIDATE = """
ALTER TABLE webhook_event VALIDATE CONSTRAINT webhook_event_pending_unrouted;
ALTER TABLE opt_out VALIDATE CONSTRAINT opt_out_source_known;
"""


class Migration(migrations.Migration):
    """Built without blocking writes."""

    atomic = False
    dependencies = [("ibiki", "0016_senders")]  # noqa: RUF012
    operations = [  # noqa: RUF012
        # Unrouted events are listed with pending opt-outs first.
        CreateIndexConcurrently(
            "webhook_event_unrouted",
            "webhook_event (opt_out_pending DESC, id DESC) WHERE outcome = 'UNROUTED'",
        ),
        # Shows whether another pending opt-out of a sender remains, and counts them for the alarm.
        CreateIndexConcurrently(
            "webhook_event_pending", "webhook_event (sender) WHERE opt_out_pending"
        ),
        CreateIndexConcurrently(
            "opt_out_pending_by_number", "opt_out (number) WHERE source = 'PENDING'"
        ),
        CreateIndexConcurrently("conversation_by_number", "conversation (number)"),
        # Contacts sorted by name; those without a name come last.
        CreateIndexConcurrently(
            "contact_by_name",
            "contact (client_id, (name IS NULL), lower(coalesce(name, '')), id)",
        ),
        ops.RunSQL(VALIDATE),
    ]
