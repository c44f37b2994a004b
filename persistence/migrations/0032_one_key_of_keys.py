"""An idempotency key is unique by its ID, a hash of its scope and key: one index less to write."""

from tortoise import migrations
from tortoise.migrations import operations as ops

DROP = "ALTER TABLE idempotency_key DROP CONSTRAINT idempotency_key_unique;"
ADD = """
ALTER TABLE idempotency_key ADD CONSTRAINT idempotency_key_unique UNIQUE (scope_id, key);
"""


class Migration(migrations.Migration):
    """Drops the second unique constraint."""

    dependencies = [("ibiki", "0031_statement_kinds")]  # noqa: RUF012
    operations = [ops.RunSQL(DROP, ADD)]  # noqa: RUF012
