"""The index of events by outcome has no events that are ROUTED or UNROUTED.

Nearly all events are first UNROUTED and then ROUTED, and had an entry for each. ROUTED ones are
listed by their IDs, and UNROUTED ones from the index that has them in the order of their list.
"""

from tortoise import migrations

from persistence.migration_steps import CreateIndexConcurrently, DropIndexConcurrently


class Migration(migrations.Migration):
    """Built without blocking writes. No index is renamed: the step may be repeated at any point."""

    atomic = False
    dependencies = [("ibiki", "0065_lean_statuses")]  # noqa: RUF012
    operations = [  # noqa: RUF012
        CreateIndexConcurrently(
            "webhook_event_unusual",
            "webhook_event (outcome, id DESC) WHERE outcome NOT IN ('ROUTED', 'UNROUTED')",
        ),
        DropIndexConcurrently("webhook_event_by_outcome"),
    ]
