"""An idempotency key keeps successes only: the refusals that were kept before leave their keys."""

from tortoise import migrations
from tortoise.migrations import operations as ops

DROP_REFUSALS = """
DELETE FROM idempotency_key WHERE answer ?| ARRAY['insufficient_balance', 'insufficient_pool'];
"""


class Migration(migrations.Migration):
    """Frees the keys of refused commands."""

    dependencies = [("ibiki", "0008_queue_figures")]  # noqa: RUF012
    operations = [ops.RunSQL(DROP_REFUSALS, "")]  # noqa: RUF012
