"""Low balances of clients, and reconciliations whose process ended before they were done."""

from tortoise import fields, migrations
from tortoise.fields.db_defaults import Now
from tortoise.migrations import operations as ops

CONSTRAINTS = """
ALTER TABLE client ADD CONSTRAINT client_threshold_positive CHECK (low_balance_threshold > 0);
-- Few clients have a threshold: the others are not read.
CREATE INDEX client_with_threshold ON client (account_id) INCLUDE (low_balance_threshold)
    WHERE low_balance_threshold IS NOT NULL;
ALTER TABLE low_balance
    ADD CONSTRAINT low_balance_client_exists FOREIGN KEY (client_id) REFERENCES client (id);
-- One event each time a balance becomes low, however many processes look for it.
CREATE UNIQUE INDEX low_balance_one_open ON low_balance (client_id) WHERE ended_at IS NULL;
CREATE INDEX low_balance_by_client ON low_balance (client_id, id);
"""


class Migration(migrations.Migration):
    """A threshold for each client, and an event for each time that it holds less."""

    dependencies = [("ibiki", "0021_imports")]  # noqa: RUF012
    operations = [  # noqa: RUF012
        ops.AddField(
            model_name="Client",
            name="low_balance_threshold",
            field=fields.BigIntField(null=True),
        ),
        ops.AddField(
            model_name="Reconciliation",
            name="interrupted",
            field=fields.BooleanField(db_default=False),
        ),
        ops.CreateModel(
            name="LowBalance",
            fields=[
                ("id", fields.UUIDField(primary_key=True)),
                ("client_id", fields.UUIDField()),
                ("threshold", fields.BigIntField()),
                ("balance", fields.BigIntField()),
                ("noticed_at", fields.DatetimeField(db_default=Now())),
                ("ended_at", fields.DatetimeField(null=True)),
            ],
            options={
                "table": "low_balance",
                "app": "ibiki",
                "pk_attr": "id",
                "table_description": "A client held less than its threshold, until `ended_at`. An"
                " event for its webhooks.",
            },
            bases=["Model"],
        ),
        ops.RunSQL(CONSTRAINTS),
    ]
