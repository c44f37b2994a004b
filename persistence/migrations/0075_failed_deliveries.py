"""The failed deliveries of an endpoint, which its log lists.

They were read by their IDs, past all newer deliveries of the last seven days.
"""

from tortoise import migrations

from persistence.migration_steps import CreateIndexConcurrently


class Migration(migrations.Migration):
    """Built without blocking writes."""

    atomic = False
    dependencies = [("ibiki", "0074_charges")]  # noqa: RUF012
    operations = [  # noqa: RUF012
        CreateIndexConcurrently(
            "hook_delivery_failed", "hook_delivery (endpoint_id, id) WHERE status = 'FAILED'"
        ),
    ]
