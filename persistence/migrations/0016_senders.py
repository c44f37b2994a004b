"""Senders without a number, STOPs that the operator has to decide, mentions of opt-out words."""

from pathlib import Path

from tortoise import fields, migrations
from tortoise.migrations import operations as ops


class Migration(migrations.Migration):
    """Columns with a constant default, so that no table is rewritten, and their indexes."""

    dependencies = [("ibiki", "0015_transfers_of_a_send")]  # noqa: RUF012
    operations = [  # noqa: RUF012
        ops.AddField(model_name="WebhookEvent", name="sender", field=fields.TextField(null=True)),
        ops.AddField(
            model_name="WebhookEvent",
            name="opt_out_pending",
            field=fields.BooleanField(db_default=False),
        ),
        ops.AddField(
            model_name="Inbound",
            name="mentions_opt_out",
            field=fields.BooleanField(db_default=False),
        ),
        ops.RunSQL((Path(__file__).parent / "sql" / "0016_senders.sql").read_text()),
    ]
