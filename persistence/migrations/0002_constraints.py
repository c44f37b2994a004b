"""Constraints, indexes, triggers and storage of the first tables, as SQL."""

from pathlib import Path

from tortoise import migrations
from tortoise.migrations import operations as ops


class Migration(migrations.Migration):
    """What must hold whatever the program does."""

    dependencies = [("ibiki", "0001_initial")]  # noqa: RUF012
    operations = [  # noqa: RUF012
        ops.RunSQL((Path(__file__).parent / "sql" / "0002_constraints.sql").read_text())
    ]
