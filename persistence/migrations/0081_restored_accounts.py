"""When the database was restored to an earlier time."""

from tortoise import fields, migrations

from persistence.migration_steps import AddFieldOnce


class Migration(migrations.Migration):
    """Calls before that time may be unknown here. What is not known of them is not concluded.

    It may run twice: a test of earlier migrations applies the newest one again.
    """

    dependencies = [("ibiki", "0080_closed_every_night")]  # noqa: RUF012
    operations = [  # noqa: RUF012
        AddFieldOnce(
            model_name="ProviderAccount",
            name="restored_at",
            field=fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
        ),
    ]
