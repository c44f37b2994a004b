"""Reconcile sums the transfers of millions of sends from indexes alone."""

from tortoise import migrations
from tortoise.migrations import operations as ops

from persistence.migration_steps import CreateIndexConcurrently, DropIndexConcurrently


class Migration(migrations.Migration):
    """The indexes of a send's transfers get the amount, and corrections get an index."""

    dependencies = [("ibiki", "0014_reconciliations")]  # noqa: RUF012
    atomic = False
    operations = [  # noqa: RUF012
        CreateIndexConcurrently(
            "transfer_one_charge_with_amount",
            "transfer (send_id) INCLUDE (amount) WHERE kind = 'SEND'",
            unique=True,
        ),
        DropIndexConcurrently("transfer_one_charge_a_send"),
        ops.RunSQL(
            "ALTER INDEX transfer_one_charge_with_amount RENAME TO transfer_one_charge_a_send"
        ),
        CreateIndexConcurrently(
            "transfer_refunds_with_amount",
            "transfer (send_id) INCLUDE (amount) WHERE kind = 'REFUND'",
        ),
        DropIndexConcurrently("transfer_refunds_of_a_send"),
        ops.RunSQL("ALTER INDEX transfer_refunds_with_amount RENAME TO transfer_refunds_of_a_send"),
        CreateIndexConcurrently(
            "transfer_corrections_of_a_send", "transfer (send_id) WHERE kind = 'RECONCILE'"
        ),
    ]
