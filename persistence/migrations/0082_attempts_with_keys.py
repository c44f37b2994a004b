"""Which attempts were made with a key that a provider can be asked about."""

from tortoise import fields, migrations

from persistence.migration_steps import AddFieldOnce


class Migration(migrations.Migration):
    """The release before sends no key, also while it runs beside this one.

    It may run twice: a test of earlier migrations applies the newest one again.
    """

    dependencies = [("ibiki", "0081_restored_accounts")]  # noqa: RUF012
    operations = [  # noqa: RUF012
        AddFieldOnce(model_name="Attempt", name="has_key", field=fields.BooleanField(null=True)),
    ]
