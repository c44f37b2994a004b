"""Audits of the ledger, which run in the background: how far each is, and what it found."""

from orjson import loads
from tortoise import fields, migrations
from tortoise.fields.data import JSON_DUMPS
from tortoise.fields.db_defaults import Now, SqlDefault
from tortoise.migrations import operations as ops

CONSTRAINTS = """
ALTER TABLE ledger_audit
    ADD CONSTRAINT ledger_audit_state_known CHECK (state IN ('RUNNING', 'FINISHED', 'STOPPED')),
    ADD CONSTRAINT ledger_audit_finished_in_time CHECK (
        (state = 'FINISHED') = (finished_at IS NOT NULL));
-- One audit at a time, in all processes together.
CREATE UNIQUE INDEX ledger_audit_one_running ON ledger_audit (state) WHERE state = 'RUNNING';
"""
COUNTS = ("rows_expected", "accounts_checked", "transfers_checked", "messages_checked")


class Migration(migrations.Migration):
    """The table of audits."""

    dependencies = [("ibiki", "0018_filter_indexes")]  # noqa: RUF012
    operations = [  # noqa: RUF012
        ops.CreateModel(
            name="LedgerAudit",
            fields=[
                ("id", fields.UUIDField(primary_key=True)),
                ("actor_id", fields.UUIDField(null=True)),
                ("state", fields.TextField(db_default="RUNNING")),
                ("started_at", fields.DatetimeField(db_default=Now())),
                ("checked_at", fields.DatetimeField(db_default=Now())),
                ("finished_at", fields.DatetimeField(null=True)),
                *[(name, fields.BigIntField(db_default=0)) for name in COUNTS],
                (
                    "violations",
                    fields.JSONField(
                        encoder=JSON_DUMPS, decoder=loads, db_default=SqlDefault("'[]'::jsonb")
                    ),
                ),
            ],
            options={
                "table": "ledger_audit",
                "app": "ibiki",
                "pk_attr": "id",
                "table_description": "One audit. `checked_at`: when it finished or was last seen"
                " alive.",
            },
            bases=["Model"],
        ),
        ops.RunSQL(CONSTRAINTS),
    ]
