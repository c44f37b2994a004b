"""Failing webhook endpoints are found without reading the others: an alarm counts them."""

from tortoise import migrations
from tortoise.migrations import operations as ops


class Migration(migrations.Migration):
    """An index of the endpoints that fail, which are few."""

    dependencies = [("ibiki", "0033_quiet_hours")]  # noqa: RUF012
    operations = [  # noqa: RUF012
        ops.RunSQL(
            "CREATE INDEX hook_endpoint_failing ON hook_endpoint (failing_since)"
            " INCLUDE (client_id) WHERE failing_since IS NOT NULL"
        ),
    ]
