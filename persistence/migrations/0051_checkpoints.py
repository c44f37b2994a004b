"""Closed months: their figures, and the hashes that show every change of them."""

from orjson import loads
from tortoise import fields, migrations
from tortoise.fields.data import JSON_DUMPS
from tortoise.fields.db_defaults import Now, SqlDefault
from tortoise.migrations import operations as ops

CONSTRAINTS = """
ALTER TABLE ledger_checkpoint_account
    DROP CONSTRAINT ledger_checkpoint_account_pkey,
    ADD PRIMARY KEY (checkpoint_id, account_id);
CREATE FUNCTION checkpoint_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a checkpoint is never changed or deleted'
        USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER ledger_checkpoint_append_only
    BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_checkpoint
    FOR EACH STATEMENT EXECUTE FUNCTION checkpoint_is_append_only();
CREATE TRIGGER ledger_checkpoint_account_append_only
    BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_checkpoint_account
    FOR EACH STATEMENT EXECUTE FUNCTION checkpoint_is_append_only();
INSERT INTO scheduled_run (name, started_at) VALUES ('close months', NULL);
"""
SUMS = ("sends", "messages", "charged", "refunded", "corrected")
NO_SUMS = SqlDefault("'{}'::jsonb")


def by_name() -> fields.JSONField[dict[str, int]]:
    """A column of sums by name."""
    return fields.JSONField(encoder=JSON_DUMPS, decoder=loads, db_default=NO_SUMS)


class Migration(migrations.Migration):
    """Two tables, and from which checkpoint an audit started."""

    dependencies = [("ibiki", "0050_auth_tokens")]  # noqa: RUF012
    operations = [  # noqa: RUF012
        ops.CreateModel(
            name="LedgerCheckpoint",
            fields=[
                ("id", fields.UUIDField(primary_key=True)),
                ("ends_at", fields.DatetimeField()),
                *[(name, fields.BigIntField()) for name in SUMS],
                ("statuses", by_name()),
                ("accounts_hash", fields.BinaryField()),
                ("previous_hash", fields.BinaryField()),
                ("audit_id", fields.UUIDField()),
                ("hash", fields.BinaryField()),
                ("created_at", fields.DatetimeField(db_default=Now())),
            ],
            options={
                "table": "ledger_checkpoint",
                "app": "ibiki",
                "pk_attr": "id",
                "table_description": "A closed month. The ID is the smallest one of its end.",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="LedgerCheckpointAccount",
            fields=[
                ("checkpoint_id", fields.UUIDField(primary_key=True)),
                ("account_id", fields.UUIDField()),
                ("version", fields.BigIntField()),
                ("balance", fields.BigIntField()),
                ("moved", by_name()),
            ],
            options={
                "table": "ledger_checkpoint_account",
                "app": "ibiki",
                "pk_attr": "checkpoint_id",
                "table_description": "An account after its last transfer of a closed month.",
            },
            bases=["Model"],
        ),
        ops.AddField(
            model_name="LedgerAudit",
            name="proven_until",
            field=fields.DatetimeField(null=True),
        ),
        ops.RunSQL(CONSTRAINTS),
    ]
