"""Attempts, and messages by number, are partitioned by month. Their rows stay where they are."""

from tortoise import migrations

from persistence.migration_steps import PartitionByMonth


class Migration(migrations.Migration):
    """Sends continue meanwhile: see docs/decisions/0199."""

    atomic = False
    dependencies = [("ibiki", "0051_checkpoints")]  # noqa: RUF012
    operations = [PartitionByMonth("attempt"), PartitionByMonth("sent_to")]  # noqa: RUF012
