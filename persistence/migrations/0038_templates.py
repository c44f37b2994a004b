"""Templates: texts that clients save by name."""

from tortoise import fields, migrations
from tortoise.fields.db_defaults import Now
from tortoise.migrations import operations as ops

CONSTRAINTS = """
ALTER TABLE template
    ADD CONSTRAINT template_client_exists FOREIGN KEY (client_id) REFERENCES client (id);
CREATE UNIQUE INDEX template_name_unique ON template (client_id, lower(name));
"""


class Migration(migrations.Migration):
    """A text with a name for each template of a client."""

    dependencies = [("ibiki", "0037_validity_index")]  # noqa: RUF012
    operations = [  # noqa: RUF012
        ops.CreateModel(
            name="Template",
            fields=[
                ("id", fields.UUIDField(primary_key=True)),
                ("client_id", fields.UUIDField()),
                ("name", fields.TextField()),
                ("text", fields.TextField()),
                ("created_at", fields.DatetimeField(db_default=Now())),
                ("updated_at", fields.DatetimeField(db_default=Now())),
            ],
            options={
                "table": "template",
                "app": "ibiki",
                "pk_attr": "id",
                "table_description": "A text that a client has saved by name.",
            },
            bases=["Model"],
        ),
        ops.RunSQL(CONSTRAINTS),
    ]
