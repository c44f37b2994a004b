"""Deliveries of client webhooks are written by the transaction that causes them."""

from tortoise import migrations
from tortoise.migrations import operations as ops

# A client without an endpoint costs one look into the index of endpoints. QUEUED and SUBMITTING are
# steps on the way and no news for a client. The row of the message is locked until the commit, so
# the positions of its deliveries are in the order of its changes.
TRIGGERS = """
CREATE FUNCTION queue_hooks(of_client uuid, of_type text, of_subject uuid, new_facts jsonb)
RETURNS void LANGUAGE sql AS $$
    WITH event AS MATERIALIZED (SELECT uuid_by_time() AS id)
    INSERT INTO hook_delivery (id, endpoint_id, client_id, event_id, type, subject, facts, url)
    SELECT uuid_by_time(), endpoint.id, of_client, event.id, of_type, of_subject, new_facts,
           callback.url
    FROM event CROSS JOIN hook_endpoint AS endpoint
    LEFT JOIN hook_callback AS callback
        ON endpoint.is_callback AND message_id = of_subject AND endpoint_id = endpoint.id
    WHERE endpoint.client_id = of_client AND of_type = ANY(endpoint.events)
      AND paused_at IS NULL AND deleted_at IS NULL
      AND (NOT endpoint.is_callback OR callback.url IS NOT NULL)
$$;

CREATE FUNCTION message_queues_hooks() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM hook_endpoint WHERE client_id = NEW.client_id) THEN
        PERFORM queue_hooks(NEW.client_id, 'message.updated', NEW.id, jsonb_build_object(
            'status', NEW.status, 'failure', NEW.failure, 'updated_at', NEW.updated_at));
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER message_hooked AFTER UPDATE OF status ON message FOR EACH ROW
    WHEN (NEW.status <> OLD.status AND NEW.status NOT IN ('QUEUED', 'SUBMITTING'))
    EXECUTE FUNCTION message_queues_hooks();

CREATE FUNCTION inbound_queues_hooks() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM hook_endpoint WHERE client_id = NEW.client_id) THEN
        PERFORM queue_hooks(NEW.client_id, 'message.received', NEW.id, NULL);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER inbound_hooked AFTER INSERT ON inbound FOR EACH ROW
    EXECUTE FUNCTION inbound_queues_hooks();

CREATE FUNCTION low_balance_queues_hooks() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM queue_hooks(NEW.client_id, 'balance.low', NEW.client_id, jsonb_build_object(
        'balance', NEW.balance, 'threshold', NEW.threshold));
    RETURN NULL;
END $$;
CREATE TRIGGER low_balance_hooked AFTER INSERT ON low_balance FOR EACH ROW
    EXECUTE FUNCTION low_balance_queues_hooks();

CREATE FUNCTION opt_out_queues_hooks() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    changed record := CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
BEGIN
    IF EXISTS (SELECT FROM hook_endpoint WHERE client_id = changed.client_id) THEN
        PERFORM queue_hooks(changed.client_id, 'optout.changed',
            md5(changed.client_id::text || changed.number)::uuid, jsonb_build_object(
                'number', changed.number, 'opted_out', TG_OP = 'INSERT'));
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER opt_out_hooked AFTER INSERT OR DELETE ON opt_out FOR EACH ROW
    EXECUTE FUNCTION opt_out_queues_hooks();
"""


class Migration(migrations.Migration):
    """Triggers on the tables whose changes are events. Each lock is held for a moment."""

    dependencies = [("ibiki", "0028_hooks")]  # noqa: RUF012
    operations = [ops.RunSQL(TRIGGERS)]  # noqa: RUF012
