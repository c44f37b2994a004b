"""Routed messages that are in flight, and the transfers of routes, are found by indexes."""

from tortoise import migrations
from tortoise.migrations import operations as ops

from persistence.migration_steps import CreateIndexConcurrently


class Migration(migrations.Migration):
    """Two small indexes, and the constraints that the migration before has added."""

    dependencies = [("ibiki", "0039_routes")]  # noqa: RUF012
    atomic = False
    operations = [  # noqa: RUF012
        CreateIndexConcurrently(
            "message_routed",
            "message (route_id) INCLUDE (provider_account_id, status, price)"
            " WHERE route_id IS NOT NULL AND status IN ('QUEUED', 'SUBMITTING')",
        ),
        CreateIndexConcurrently(
            "transfer_routes_of_a_send",
            "transfer (send_id) WHERE kind IN ('ROUTE_CREDIT', 'ROUTE_COST')",
        ),
        ops.RunSQL("ALTER TABLE transfer VALIDATE CONSTRAINT transfer_kind_known"),
        ops.RunSQL("ALTER TABLE transfer VALIDATE CONSTRAINT transfer_shape_fits_kind"),
    ]
