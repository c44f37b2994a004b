"""Log lines and opening balances of another system, and corrections of such lines."""

from tortoise import fields, migrations
from tortoise.fields.db_defaults import Now
from tortoise.migrations import operations as ops

CONSTRAINTS = """
ALTER TABLE imported_line
    ADD CONSTRAINT imported_line_reference_unique UNIQUE (client_id, reference),
    ADD CONSTRAINT imported_line_counts_positive CHECK (
        messages >= 0 AND price > 0 AND charged >= 0 AND charged_total >= charged AND found >= 0);
-- The charges of a client so far: the largest total is found without reading the other lines.
CREATE INDEX imported_line_totals ON imported_line (client_id, charged_total);
ALTER TABLE opening_balance
    DROP CONSTRAINT opening_balance_pkey,
    ADD PRIMARY KEY (client_id, reference),
    ADD CONSTRAINT opening_balance_units_positive CHECK (units >= 0);
"""


class Migration(migrations.Migration):
    """New tables, and columns without a default."""

    dependencies = [("ibiki", "0020_own_accounts")]  # noqa: RUF012
    operations = [  # noqa: RUF012
        ops.CreateModel(
            name="ImportedLine",
            fields=[
                ("id", fields.UUIDField(primary_key=True)),
                ("client_id", fields.UUIDField()),
                ("account_id", fields.UUIDField()),
                ("provider_account_id", fields.UUIDField()),
                ("reference", fields.TextField()),
                ("messages", fields.IntField()),
                ("price", fields.BigIntField()),
                ("charged", fields.DecimalField(max_digits=24, decimal_places=6)),
                ("charged_total", fields.DecimalField(max_digits=30, decimal_places=6)),
                ("found", fields.BigIntField()),
                ("created_at", fields.DatetimeField()),
                ("imported_at", fields.DatetimeField(db_default=Now())),
                ("difference_id", fields.UUIDField(null=True)),
            ],
            options={
                "table": "imported_line",
                "app": "ibiki",
                "pk_attr": "id",
                "table_description": "One line of the log of another system.",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="OpeningBalance",
            fields=[
                ("client_id", fields.UUIDField(primary_key=True)),
                ("reference", fields.TextField()),
                ("units", fields.BigIntField()),
                ("transfer_id", fields.UUIDField(null=True)),
                ("created_at", fields.DatetimeField(db_default=Now())),
            ],
            options={
                "table": "opening_balance",
                "app": "ibiki",
                "pk_attr": "client_id",
                "table_description": "What a client held in another system.",
            },
            bases=["Model"],
        ),
        ops.AlterField("ReconciliationDifference", "send_id", fields.UUIDField(null=True)),
        ops.AddField(
            model_name="ReconciliationDifference",
            name="imported_line_id",
            field=fields.UUIDField(null=True),
        ),
        ops.AddField(
            model_name="ReconciliationDifference",
            name="transfer_id",
            field=fields.UUIDField(null=True),
        ),
        ops.RunSQL(CONSTRAINTS),
    ]
