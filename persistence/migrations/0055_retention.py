"""How long clients keep texts and messages, and what sends keep of messages that are gone."""

from orjson import loads
from tortoise import fields, migrations
from tortoise.fields.data import JSON_DUMPS
from tortoise.migrations import operations as ops

CONSTRAINTS = """
ALTER TABLE client
    ADD CONSTRAINT client_retention_positive CHECK (text_days >= 0 AND kept_months >= 0);
INSERT INTO scheduled_run (name, started_at) VALUES ('retention', NULL);
"""


class Migration(migrations.Migration):
    """Columns without a rewrite, and a small table."""

    dependencies = [("ibiki", "0054_events_by_month")]  # noqa: RUF012
    operations = [  # noqa: RUF012
        ops.AddField(
            model_name="Send",
            name="dropped",
            field=fields.JSONField(encoder=JSON_DUMPS, decoder=loads, null=True),
        ),
        ops.AddField(model_name="Client", name="text_days", field=fields.IntField(null=True)),
        ops.AddField(model_name="Client", name="kept_months", field=fields.IntField(null=True)),
        ops.CreateModel(
            name="RetentionProgress",
            fields=[
                ("name", fields.CharField(max_length=120, primary_key=True)),
                ("last_id", fields.UUIDField()),
            ],
            options={
                "table": "retention_progress",
                "app": "ibiki",
                "pk_attr": "name",
                "table_description": "Up to which ID old rows were dropped by one rule.",
            },
            bases=["Model"],
        ),
        ops.RunSQL(CONSTRAINTS),
    ]
