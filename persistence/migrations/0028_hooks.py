"""Client webhooks: endpoints, deliveries, and callbacks of single messages."""

from typing import Any

from tortoise import fields, migrations
from tortoise.contrib.postgres.fields import ArrayField
from tortoise.fields.db_defaults import Now, SqlDefault
from tortoise.migrations import operations as ops

BEFORE = """
CREATE SEQUENCE hook_delivery_position AS bigint;
-- UUIDv7 (RFC 9562 §5.7), which PostgreSQL itself makes only since version 18: the milliseconds
-- replace the first 48 random bits, and two bits more turn version 4 into 7.
CREATE FUNCTION uuid_by_time() RETURNS uuid LANGUAGE sql VOLATILE AS $$
    SELECT encode(set_bit(set_bit(overlay(uuid_send(gen_random_uuid()) PLACING
        substring(int8send((extract(epoch FROM clock_timestamp()) * 1000)::bigint) FROM 3)
        FROM 1 FOR 6), 52, 1), 53, 1), 'hex')::uuid
$$;
"""
AFTER = """
ALTER TABLE hook_endpoint
    ADD CONSTRAINT hook_endpoint_client_exists FOREIGN KEY (client_id) REFERENCES client (id),
    ADD CONSTRAINT hook_endpoint_failing_whole CHECK (
        failures >= 0 AND (failures > 0) = (failing_since IS NOT NULL)),
    ADD CONSTRAINT hook_endpoint_signs CHECK (is_callback OR secret IS NOT NULL);
ALTER TABLE hook_delivery
    ADD CONSTRAINT hook_delivery_status_known CHECK (status IN ('PENDING', 'DELIVERED', 'FAILED'));
-- Every change of a message looks for its client here.
CREATE INDEX hook_endpoint_by_client ON hook_endpoint (client_id);
CREATE UNIQUE INDEX hook_endpoint_one_callback ON hook_endpoint (client_id, format, url)
    WHERE is_callback;
-- The queue of each endpoint; deliveries that wait for their next attempt are not read.
CREATE INDEX hook_delivery_due ON hook_delivery (endpoint_id, due_at, position)
    WHERE status = 'PENDING';
-- Whether an earlier event of the same subject is still pending.
CREATE INDEX hook_delivery_order ON hook_delivery (endpoint_id, subject, position)
    WHERE status = 'PENDING';
CREATE INDEX hook_delivery_by_endpoint ON hook_delivery (endpoint_id, id DESC);
INSERT INTO hook_position (id, changed_xid)
VALUES (1, pg_snapshot_xmin(pg_current_snapshot())::text::bigint);
"""


def _table(
    model: str, table: str, description: str, columns: list[tuple[str, Any]]
) -> ops.CreateModel:
    return ops.CreateModel(
        name=model,
        fields=columns,
        options={
            "table": table,
            "app": "ibiki",
            "pk_attr": columns[0][0],
            "table_description": description,
        },
        bases=["Model"],
    )


class Migration(migrations.Migration):
    """New tables. The triggers that fill them come in the next migration."""

    dependencies = [("ibiki", "0027_erased_messages")]  # noqa: RUF012
    operations = [  # noqa: RUF012
        ops.RunSQL(BEFORE),
        _table(
            "HookEndpoint",
            "hook_endpoint",
            "A URL that the events of a client are posted to.",
            [
                ("id", fields.UUIDField(primary_key=True)),
                ("client_id", fields.UUIDField()),
                ("url", fields.TextField()),
                ("description", fields.TextField(null=True)),
                ("events", ArrayField("text")),
                ("is_callback", fields.BooleanField(db_default=False)),
                ("format", fields.TextField(db_default="standard")),
                ("secret", fields.BinaryField(null=True)),
                ("previous_secret", fields.BinaryField(null=True)),
                ("previous_until", fields.DatetimeField(null=True)),
                ("failures", fields.IntField(db_default=0)),
                ("failing_since", fields.DatetimeField(null=True)),
                ("retry_at", fields.DatetimeField(null=True)),
                ("succeeded_at", fields.DatetimeField(null=True)),
                ("paused_at", fields.DatetimeField(null=True)),
                ("pause_reason", fields.TextField(null=True)),
                ("lease_holder", fields.UUIDField(null=True)),
                ("lease_until", fields.DatetimeField(null=True)),
                ("created_at", fields.DatetimeField(db_default=Now())),
                ("deleted_at", fields.DatetimeField(null=True)),
            ],
        ),
        _table(
            "HookDelivery",
            "hook_delivery",
            "An event for one endpoint.",
            [
                ("id", fields.UUIDField(primary_key=True)),
                (
                    "position",
                    fields.BigIntField(db_default=SqlDefault("nextval('hook_delivery_position')")),
                ),
                ("endpoint_id", fields.UUIDField()),
                ("client_id", fields.UUIDField()),
                ("event_id", fields.UUIDField()),
                ("type", fields.TextField()),
                ("subject", fields.UUIDField()),
                ("facts", fields.JSONField(null=True)),
                ("url", fields.TextField(null=True)),
                ("status", fields.TextField(db_default="PENDING")),
                ("due_at", fields.DatetimeField(db_default=Now())),
                ("attempts", fields.IntField(db_default=0)),
                ("attempted_at", fields.DatetimeField(null=True)),
                ("duration_ms", fields.IntField(null=True)),
                ("answer_status", fields.SmallIntField(null=True)),
                ("answer", fields.TextField(null=True)),
                ("error", fields.TextField(null=True)),
                ("occurred_at", fields.DatetimeField(db_default=Now())),
                ("created_at", fields.DatetimeField(db_default=Now())),
            ],
        ),
        _table(
            "HookCallback",
            "hook_callback",
            "A URL that the status changes of one message are posted to.",
            [
                ("message_id", fields.UUIDField(primary_key=True)),
                ("endpoint_id", fields.UUIDField()),
                ("url", fields.TextField()),
            ],
        ),
        _table(
            "HookFinishedSend",
            "hook_finished_send",
            "A send whose end was reported.",
            [("send_id", fields.UUIDField(primary_key=True))],
        ),
        _table(
            "HookPosition",
            "hook_position",
            "Up to which transaction finished sends were looked for.",
            [
                ("id", fields.SmallIntField(primary_key=True, generated=False)),
                ("changed_xid", fields.BigIntField()),
            ],
        ),
        ops.RunSQL(AFTER),
    ]
