"""The order of changes: by transaction ID, which no clock can set back."""

from tortoise import fields, migrations
from tortoise.migrations import operations as ops

from persistence.sql import CURRENT_TRANSACTION

TABLES = ("message", "conversation", "webhook_event")
MODELS = ("Message", "Conversation", "WebhookEvent")

# Whatever a statement writes, it declares a visible change by setting updated_at. The version
# grows with every change of a row, in the order in which its changes are committed; transaction
# IDs need not.
TRIGGERS = """
CREATE FUNCTION note_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.version := OLD.version + 1;
    NEW.changed_xid := pg_current_xact_id()::text::bigint;
    RETURN NEW;
END $$;
""" + "".join(
    f"CREATE TRIGGER {table}_changed BEFORE UPDATE ON {table} FOR EACH ROW"
    " WHEN (NEW.updated_at IS DISTINCT FROM OLD.updated_at) EXECUTE FUNCTION note_change();\n"
    for table in TABLES
)
BACK = "DROP FUNCTION note_change() CASCADE"


class Migration(migrations.Migration):
    """A version and the last transaction of everything that can be watched for changes."""

    dependencies = [("ibiki", "0009_keys_keep_successes")]  # noqa: RUF012
    operations = [  # noqa: RUF012
        *[
            ops.AddField(model_name=name, name="version", field=fields.IntField(db_default=0))
            for name in MODELS
        ],
        # The default is stable, not volatile: PostgreSQL evaluates it once and rewrites no row.
        *[
            ops.AddField(
                model_name=name,
                name="changed_xid",
                field=fields.BigIntField(db_default=CURRENT_TRANSACTION),
            )
            for name in MODELS
        ],
        ops.RunSQL(TRIGGERS, BACK),
    ]
