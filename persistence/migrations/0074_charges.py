"""A charge has the ID of its send, so only charges of earlier releases need an index by send.

While the program of the previous release runs beside this one, its audits and reconciliations read
the charges of a page without an index.
"""

from tortoise import migrations

from persistence.migration_steps import CreateIndexConcurrently, DropIndexConcurrently


class Migration(migrations.Migration):
    """Built without blocking writes."""

    atomic = False
    dependencies = [("ibiki", "0073_rare_kinds")]  # noqa: RUF012
    operations = [  # noqa: RUF012
        CreateIndexConcurrently(
            "transfer_charge_with_own_id",
            "transfer (send_id) INCLUDE (amount) WHERE kind = 'SEND' AND id <> send_id",
            unique=True,
        ),
        DropIndexConcurrently("transfer_one_charge_a_send"),
    ]
