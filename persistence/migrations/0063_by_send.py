"""Messages that are found by the ID of their send need no index."""

from tortoise import fields, migrations
from tortoise.migrations import operations as ops


class Migration(migrations.Migration):
    """A column without a rewrite: true in the rows so far, and in those of the previous release."""

    dependencies = [("ibiki", "0062_transfer_check")]  # noqa: RUF012
    operations = [  # noqa: RUF012
        ops.AddField(
            model_name="Message",
            name="by_send",
            field=fields.BooleanField(null=True, db_default=True),
        ),
    ]
