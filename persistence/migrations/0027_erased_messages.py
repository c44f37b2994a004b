"""Messages whose text a client has emptied, or that it has removed from its lists."""

from tortoise import fields, migrations
from tortoise.migrations import operations as ops


class Migration(migrations.Migration):
    """Columns without a rewrite: NULL, and a constant."""

    dependencies = [("ibiki", "0026_scheduled_indexes")]  # noqa: RUF012
    operations = [  # noqa: RUF012
        ops.AddField(
            model_name="Message", name="deleted_at", field=fields.DatetimeField(null=True)
        ),
        ops.AddField(
            model_name="Inbound", name="deleted_at", field=fields.DatetimeField(null=True)
        ),
        ops.AddField(model_name="Send", name="emptied", field=fields.IntField(db_default=0)),
    ]
