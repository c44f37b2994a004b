"""When the credentials of a provider account were set, and statuses with stray blanks."""

from tortoise import fields, migrations
from tortoise.migrations import operations as ops

# Older systems store statuses in any case and with blanks around them. The new rule allows more
# than the old one, so that no row has to be checked.
STATUS = """
ALTER TABLE client
    DROP CONSTRAINT client_status_known,
    ADD CONSTRAINT client_status_known CHECK (
        upper(btrim(status, E' \\t\\r\\n')) IN ('ACTIVE', 'DORMANT', 'SUSPENDED')) NOT VALID;
"""


class Migration(migrations.Migration):
    """Adds `provider_account.credentials_set_at`."""

    dependencies = [("ibiki", "0019_ledger_audits")]  # noqa: RUF012
    operations = [  # noqa: RUF012
        ops.AddField(
            model_name="ProviderAccount",
            name="credentials_set_at",
            field=fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
        ),
        ops.RunSQL(STATUS),
        ops.RunSQL("ALTER TABLE client VALIDATE CONSTRAINT client_status_known"),
    ]
