"""Large tables are vacuumed after a number of changes, not after a share of the table.

A share of 100,000,000 rows is reached after weeks. Until then, index-only scans read the table, and
old versions stay in it. A vacuum reads only pages that have changed, and it leaves the indexes out
if few pages have (PostgreSQL 14), so it costs about the same on a table of any size.
"""

from tortoise import migrations
from tortoise.migrations import operations as ops

# Each message is changed three times. The others are mostly written once.
CHANGES = {
    "message": 100_000,
    "send": 50_000,
    "transfer": 50_000,
    "contact": 50_000,
    "conversation": 50_000,
    "inbound": 50_000,
}


class Migration(migrations.Migration):
    """Storage parameters only. Without a transaction, so that one table is locked at a time.

    Statistics are made for a share: a small table needs them early.
    """

    atomic = False
    dependencies = [("ibiki", "0043_message_by_status")]  # noqa: RUF012
    operations = [  # noqa: RUF012
        ops.RunSQL(
            f"ALTER TABLE {table} SET (autovacuum_analyze_scale_factor = 0.01,"
            f" autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = {changes},"
            " autovacuum_vacuum_insert_scale_factor = 0,"
            f" autovacuum_vacuum_insert_threshold = {changes})"
        )
        for table, changes in CHANGES.items()
    ]
