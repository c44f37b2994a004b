"""A message that the provider has accepted is not due any more, and takes 8 bytes less.

NOT VALID: so far, each message has a time.
"""

from tortoise import fields, migrations
from tortoise.migrations import operations as ops

# It may run twice: a test of earlier migrations applies the newest one again.
WAITS_FOR_A_TIME = """
ALTER TABLE message DROP CONSTRAINT IF EXISTS message_waits_for_a_time,
    ADD CONSTRAINT message_waits_for_a_time CHECK (
        due_at IS NOT NULL OR status NOT IN ('QUEUED', 'SUBMITTING')) NOT VALID
"""


class Migration(migrations.Migration):
    """Locks the table for a moment."""

    dependencies = [("ibiki", "0075_failed_deliveries")]  # noqa: RUF012
    operations = [  # noqa: RUF012
        ops.AlterField("Message", "due_at", fields.DatetimeField(null=True)),
        ops.RunSQL(WAITS_FOR_A_TIME),
    ]
