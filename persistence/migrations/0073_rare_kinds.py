"""Lists of what is rare among newer rows: sends of a kind of all clients, and ROUTED events.

Both were read by their IDs, past all newer rows of another kind.
"""

from tortoise import migrations

from persistence.migration_steps import CreateIndexConcurrently


class Migration(migrations.Migration):
    """Built without blocking writes."""

    atomic = False
    dependencies = [("ibiki", "0072_counted_changes")]  # noqa: RUF012
    operations = [  # noqa: RUF012
        CreateIndexConcurrently("send_of_kind", "send (kind, id) WHERE kind <> 'SINGLE'"),
        CreateIndexConcurrently(
            "webhook_event_routed", "webhook_event (id) WHERE outcome = 'ROUTED'"
        ),
    ]
