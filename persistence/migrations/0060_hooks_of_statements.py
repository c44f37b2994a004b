"""The webhook deliveries of changed messages are written once for each statement, not for each row.

A cancelled bulk changes 100,000 messages in one statement. A trigger for each of them looked for
endpoints 100,000 times.
"""

from tortoise import migrations
from tortoise.migrations import operations as ops

# It may run twice: a test of earlier migrations applies the newest one again.
# Grouped by ID instead of a join of both tables: a plan that is kept from a small statement could
# compare each row of a large one with each other.
TRIGGER = """
CREATE OR REPLACE FUNCTION messages_queue_hooks() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    clients uuid[] := ARRAY(
        SELECT DISTINCT client_id FROM written WHERE status NOT IN ('QUEUED', 'SUBMITTING'));
BEGIN
    IF clients <> '{}' THEN
        clients := ARRAY(SELECT DISTINCT client_id FROM hook_endpoint
                         WHERE client_id = ANY(clients));
    END IF;
    IF clients <> '{}' THEN
        PERFORM queue_hooks(client_id, 'message.updated', id, jsonb_build_object(
            'status', status, 'failure', failure, 'updated_at', updated_at))
        FROM (
            SELECT client_id, id, max(status) FILTER (WHERE is_new) AS status,
                   max(failure) FILTER (WHERE is_new) AS failure,
                   max(updated_at) FILTER (WHERE is_new) AS updated_at
            FROM (
                SELECT client_id, id, status, failure, updated_at, true AS is_new FROM written
                WHERE client_id = ANY(clients)
                UNION ALL
                SELECT client_id, id, status, NULL, NULL, false FROM replaced
                WHERE client_id = ANY(clients)
            ) AS version
            GROUP BY client_id, id HAVING min(status) <> max(status)
        ) AS changed
        WHERE status NOT IN ('QUEUED', 'SUBMITTING');
    END IF;
    RETURN NULL;
END $$;
DROP TRIGGER IF EXISTS message_hooked ON message;
CREATE TRIGGER message_hooked AFTER UPDATE ON message
    REFERENCING OLD TABLE AS replaced NEW TABLE AS written
    FOR EACH STATEMENT EXECUTE FUNCTION messages_queue_hooks();
DROP FUNCTION IF EXISTS message_queues_hooks();
"""


class Migration(migrations.Migration):
    """Locks the table for a moment."""

    dependencies = [("ibiki", "0059_open_sends_so_far")]  # noqa: RUF012
    operations = [ops.RunSQL(TRIGGER)]  # noqa: RUF012
