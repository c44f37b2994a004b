"""Constraints and indexes of the tables of two-way messaging, as SQL."""

from pathlib import Path

from tortoise import migrations
from tortoise.migrations import operations as ops


class Migration(migrations.Migration):
    """What must hold whatever the program does."""

    dependencies = [("ibiki", "0003_two_way")]  # noqa: RUF012
    operations = [  # noqa: RUF012
        ops.RunSQL((Path(__file__).parent / "sql" / "0004_two_way.sql").read_text())
    ]
