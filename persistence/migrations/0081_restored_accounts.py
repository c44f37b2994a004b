"""When the database was restored to an earlier time."""

from tortoise import fields, migrations
from tortoise.migrations import operations as ops


class Migration(migrations.Migration):
    """Calls before that time may be unknown here. What is not known of them is not concluded."""

    dependencies = [("ibiki", "0080_closed_every_night")]  # noqa: RUF012
    operations = [  # noqa: RUF012
        ops.AddField(
            model_name="ProviderAccount",
            name="restored_at",
            field=fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
        ),
    ]
