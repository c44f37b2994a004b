"""Refresh tokens that may be used again for a moment, and access changes read without gaps."""

from tortoise import fields, migrations
from tortoise.migrations import operations as ops

from persistence.sql import CURRENT_TRANSACTION

INDEX = "CREATE INDEX access_change_by_transaction ON access_change (transaction_id);"


class Migration(migrations.Migration):
    """Fills the column of old rows with its own transaction ID: a small table, kept for a week."""

    dependencies = [("ibiki", "0011_change_order_indexes")]  # noqa: RUF012
    operations = [  # noqa: RUF012
        ops.AddField(
            model_name="RefreshToken",
            name="successor_salt",
            field=fields.BinaryField(null=True),
        ),
        ops.AddField(
            model_name="AccessChange",
            name="transaction_id",
            field=fields.BigIntField(db_default=CURRENT_TRANSACTION),
        ),
        ops.RunSQL(INDEX),
    ]
