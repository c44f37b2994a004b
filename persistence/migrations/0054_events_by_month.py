"""Keys of the events that there are, and months of webhook events in a new installation."""

from tortoise import migrations
from tortoise.migrations import operations as ops

from persistence.migration_steps import (
    CreateIndexConcurrently,
    DropIndexConcurrently,
    PartitionByMonth,
    RepeatSQL,
)

KEYS = """
SELECT encode(substring(key, 1, 16), 'hex')::uuid, id FROM webhook_event
WHERE key IS NOT NULL AND outcome <> 'REFUSED'
"""
# IDs are not exactly in the order of commit: what was stored about the time of the trigger.
NEWEST = f"""
INSERT INTO webhook_event_key (key, event_id)
{KEYS} AND received_at > now() - interval '1 hour' ON CONFLICT DO NOTHING
"""
# From the newest to the oldest: what is stored meanwhile is newer.
OTHERS = f"""
INSERT INTO webhook_event_key (key, event_id)
{KEYS} AND id < coalesce((SELECT event_id FROM webhook_event_key ORDER BY event_id LIMIT 1),
                         'ffffffff-ffff-ffff-ffff-ffffffffffff')
ORDER BY id DESC LIMIT 10000 ON CONFLICT DO NOTHING
"""  # noqa: S608 - text of our own


class Migration(migrations.Migration):
    """Ten thousand keys at a time. The first index is only for this migration.

    A program of the previous release cannot store events by month: `ibiki partitions --move` moves
    those of an installation that has some.
    """

    atomic = False
    dependencies = [("ibiki", "0053_event_keys")]  # noqa: RUF012
    operations = [  # noqa: RUF012
        CreateIndexConcurrently("webhook_event_key_filled", "webhook_event_key (event_id)"),
        ops.RunSQL(NEWEST),
        RepeatSQL(OTHERS),
        DropIndexConcurrently("webhook_event_key_filled"),
        # Finds the keys of dropped months.
        CreateIndexConcurrently(
            "webhook_event_key_by_event", "webhook_event_key USING brin (event_id)"
        ),
        PartitionByMonth("webhook_event", left_out="webhook_event_guarded", if_empty=True),
    ]
