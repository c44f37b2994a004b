"""The open sends that were accepted before the trigger, and routed messages by status."""

from tortoise import migrations
from tortoise.migrations import operations as ops

from persistence.migration_steps import CreateIndexConcurrently, DropIndexConcurrently

# The trigger has waited for all transactions that had written a send. So each send is either here
# or was opened by the trigger. ON CONFLICT: the step may be repeated.
OPEN = """
INSERT INTO open_send (send_id, provider_account_id)
SELECT id, provider_account_id FROM send
WHERE kind IN ('BULK', 'MULTI', 'CSV') AND (NOT tallied OR accepted + coalesce((
    SELECT sum(queued + submitting + unknown) FROM send_tally WHERE send_id = send.id), 0) > 0)
ON CONFLICT DO NOTHING
"""


class Migration(migrations.Migration):
    """Built without blocking writes."""

    atomic = False
    dependencies = [("ibiki", "0058_open_sends")]  # noqa: RUF012
    operations = [  # noqa: RUF012
        ops.RunSQL(OPEN),
        CreateIndexConcurrently(
            "message_routed_by_status",
            "message (route_id, status, priority) INCLUDE (provider_account_id, price)"
            " WHERE route_id IS NOT NULL AND status IN ('QUEUED', 'SUBMITTING')",
        ),
        DropIndexConcurrently("message_routed"),
        ops.RunSQL("ALTER INDEX message_routed_by_status RENAME TO message_routed"),
    ]
