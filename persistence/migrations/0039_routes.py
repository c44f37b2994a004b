"""Routes by country prefix: which provider account sends a message, and what that costs."""

from tortoise import fields, migrations
from tortoise.fields.db_defaults import Now
from tortoise.migrations import operations as ops

# NOT VALID: each of the two allows more than the one before, so that no row has to be checked.
CONSTRAINTS = """
ALTER TABLE provider_route
    ADD CONSTRAINT provider_route_prefix_digits CHECK (prefix ~ '^[1-9][0-9]{0,6}$'),
    ADD CONSTRAINT provider_route_costs_bounded CHECK (
        cost BETWEEN 0 AND 1000000000 AND fallback_cost BETWEEN 0 AND 1000000000),
    ADD CONSTRAINT provider_route_fallback_whole CHECK (
        num_nulls(fallback_account_id, fallback_cost) IN (0, 2)
        AND fallback_account_id IS DISTINCT FROM provider_account_id),
    ADD CONSTRAINT provider_route_pool_exists
        FOREIGN KEY (pool_id) REFERENCES provider_account (id),
    ADD CONSTRAINT provider_route_account_exists
        FOREIGN KEY (provider_account_id) REFERENCES provider_account (id),
    ADD CONSTRAINT provider_route_fallback_exists
        FOREIGN KEY (fallback_account_id) REFERENCES provider_account (id);
CREATE UNIQUE INDEX provider_route_one_in_use ON provider_route (pool_id, prefix)
    WHERE retired_at IS NULL;
ALTER TABLE transfer
    DROP CONSTRAINT transfer_kind_known,
    ADD CONSTRAINT transfer_kind_known CHECK (kind IN (
        'OPENING', 'ALLOCATION', 'SEND', 'REFUND', 'SYNC', 'RECONCILE', 'ROUTE_CREDIT',
        'ROUTE_COST')) NOT VALID,
    DROP CONSTRAINT transfer_shape_fits_kind,
    ADD CONSTRAINT transfer_shape_fits_kind CHECK (CASE
        WHEN kind = 'OPENING' THEN source_id IS NULL
        WHEN kind = 'ALLOCATION' THEN source_id IS NOT NULL AND destination_id IS NOT NULL
        WHEN kind = 'SEND' THEN destination_id IS NULL AND send_id IS NOT NULL
        WHEN kind = 'REFUND' THEN destination_id IS NOT NULL AND send_id IS NOT NULL
        WHEN kind = 'SYNC' THEN
            (source_id IS NULL OR destination_id IS NULL) AND sync_id IS NOT NULL
        WHEN kind IN ('ROUTE_CREDIT', 'ROUTE_COST') THEN
            (source_id IS NULL OR destination_id IS NULL) AND send_id IS NOT NULL
        ELSE true END) NOT VALID;
"""


class Migration(migrations.Migration):
    """The table of routes, the route of a message, and two kinds of transfers."""

    dependencies = [("ibiki", "0038_templates")]  # noqa: RUF012
    operations = [  # noqa: RUF012
        ops.CreateModel(
            name="ProviderRoute",
            fields=[
                ("id", fields.UUIDField(primary_key=True)),
                ("pool_id", fields.UUIDField()),
                ("prefix", fields.TextField()),
                ("provider_account_id", fields.UUIDField()),
                ("cost", fields.BigIntField()),
                ("fallback_account_id", fields.UUIDField(null=True)),
                ("fallback_cost", fields.BigIntField(null=True)),
                ("created_at", fields.DatetimeField(db_default=Now())),
                ("retired_at", fields.DatetimeField(null=True)),
            ],
            options={
                "table": "provider_route",
                "app": "ibiki",
                "pk_attr": "id",
                "table_description": "Which account sends to a prefix for a pool's clients. Never"
                " changed, but retired.",
            },
            bases=["Model"],
        ),
        ops.AddField(model_name="Message", name="route_id", field=fields.UUIDField(null=True)),
        ops.AddField(
            model_name="Message", name="route_charged", field=fields.BigIntField(null=True)
        ),
        ops.RunSQL(CONSTRAINTS),
    ]
