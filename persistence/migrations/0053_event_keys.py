"""The keys of webhook events get their own table, so that events can be stored by month.

A key must be unique over all months, and an index of a partitioned table cannot be.
"""

from tortoise import fields, migrations
from tortoise.migrations import operations as ops

# For programs of the previous release, which write the key into the event. A repetition is not
# inserted, as after ON CONFLICT DO NOTHING.
GUARD = """
CREATE FUNCTION webhook_event_guards() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO webhook_event_key (key, event_id)
    VALUES (encode(substring(NEW.key, 1, 16), 'hex')::uuid, NEW.id) ON CONFLICT DO NOTHING;
    RETURN CASE WHEN FOUND THEN NEW END;
END $$;
CREATE TRIGGER webhook_event_guarded BEFORE INSERT ON webhook_event FOR EACH ROW
    WHEN (NEW.key IS NOT NULL AND NEW.outcome <> 'REFUSED')
    EXECUTE FUNCTION webhook_event_guards();
"""


class Migration(migrations.Migration):
    """The table, and a trigger that keeps it for programs of the previous release."""

    dependencies = [("ibiki", "0052_attempts_by_month")]  # noqa: RUF012
    operations = [  # noqa: RUF012
        ops.CreateModel(
            name="WebhookEventKey",
            fields=[
                ("key", fields.UUIDField(primary_key=True)),
                ("event_id", fields.UUIDField()),
            ],
            options={
                "table": "webhook_event_key",
                "app": "ibiki",
                "pk_attr": "key",
                "table_description": "What repetitions of an event have in common, and the event.",
            },
            bases=["Model"],
        ),
        ops.RunSQL(GUARD),
    ]
