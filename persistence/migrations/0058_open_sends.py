"""Large sends whose messages may wait: what is queued is summed from their counters."""

from tortoise import fields, migrations
from tortoise.migrations import operations as ops

# Only for kinds with counters. A single send evaluates the condition, and nothing more.
TRIGGER = """
-- Rows come and go.
ALTER TABLE open_send SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
CREATE FUNCTION send_opens() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO open_send (send_id, provider_account_id) VALUES (NEW.id, NEW.provider_account_id);
    RETURN NULL;
END $$;
CREATE TRIGGER send_opened AFTER INSERT ON send FOR EACH ROW
    WHEN (NEW.kind IN ('BULK', 'MULTI', 'CSV')) EXECUTE FUNCTION send_opens();
"""


class Migration(migrations.Migration):
    """A trigger, so that the program of the previous release opens its sends, too."""

    dependencies = [("ibiki", "0057_accounts_of_events")]  # noqa: RUF012
    operations = [  # noqa: RUF012
        ops.CreateModel(
            name="OpenSend",
            fields=[
                ("send_id", fields.UUIDField(primary_key=True)),
                ("provider_account_id", fields.UUIDField()),
            ],
            options={
                "table": "open_send",
                "app": "ibiki",
                "pk_attr": "send_id",
                "table_description": "Large sends with messages that may wait.",
            },
            bases=["Model"],
        ),
        ops.RunSQL(TRIGGER),
    ]
