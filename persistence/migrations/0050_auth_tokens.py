"""Auth tokens of the Twilio-compatible API that clients have replaced."""

from tortoise import fields, migrations
from tortoise.migrations import operations as ops


class Migration(migrations.Migration):
    """Columns without a rewrite."""

    dependencies = [("ibiki", "0049_later_status_polls_index")]  # noqa: RUF012
    operations = [  # noqa: RUF012
        ops.AddField(
            model_name="Client", name="auth_token_number", field=fields.IntField(db_default=0)
        ),
        ops.AddField(
            model_name="Client", name="auth_token_from", field=fields.DatetimeField(null=True)
        ),
    ]
