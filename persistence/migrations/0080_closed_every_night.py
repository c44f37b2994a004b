"""The embedded installation closes months by itself, once a night."""

from tortoise import migrations
from tortoise.migrations import operations as ops


class Migration(migrations.Migration):
    """It may run twice: a test of earlier migrations applies the newest one again."""

    dependencies = [("ibiki", "0079_unfinished_cancels")]  # noqa: RUF012
    operations = [  # noqa: RUF012
        ops.RunSQL(
            "INSERT INTO scheduled_run (name, started_at) VALUES ('close numbers', NULL)"
            " ON CONFLICT DO NOTHING"
        )
    ]
