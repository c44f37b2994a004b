"""Tortoise models of client webhooks. `persistence.identity.models` explains the rules."""

from __future__ import annotations

from typing import Any

from tortoise import fields
from tortoise.contrib.postgres.fields import ArrayField
from tortoise.fields.db_defaults import Now, SqlDefault
from tortoise.models import Model


class HookEndpoint(Model):
    """A URL of a client that its events are posted to, and how well it has answered.

    `is_callback`: all callbacks of a client to one host; their URLs are those of the messages.
    `failures`: failed attempts in a row, since `failing_since`. `lease_holder`: the worker that
    posts to it until `lease_until`.
    """

    id = fields.UUIDField(primary_key=True)
    client_id = fields.UUIDField()
    url = fields.TextField()
    description = fields.TextField(null=True)
    events: ArrayField = ArrayField("text")
    is_callback = fields.BooleanField(db_default=False)
    format = fields.TextField(db_default="standard")
    secret = fields.BinaryField(null=True)
    previous_secret = fields.BinaryField(null=True)
    previous_until = fields.DatetimeField(null=True)
    failures = fields.IntField(db_default=0)
    failing_since = fields.DatetimeField(null=True)
    retry_at = fields.DatetimeField(null=True)
    succeeded_at = fields.DatetimeField(null=True)
    paused_at = fields.DatetimeField(null=True)
    pause_reason = fields.TextField(null=True)
    lease_holder = fields.UUIDField(null=True)
    lease_until = fields.DatetimeField(null=True)
    created_at = fields.DatetimeField(db_default=Now())
    deleted_at = fields.DatetimeField(null=True)

    class Meta:
        table = "hook_endpoint"


class HookDelivery(Model):
    """An event for one endpoint, written by the transaction that caused the event.

    `position`: the order of the events of one `subject` (a message, a number). `facts`: of the
    subject at the time of the event; they may have changed when it is posted.
    """

    id = fields.UUIDField(primary_key=True)
    position = fields.BigIntField(db_default=SqlDefault("nextval('hook_delivery_position')"))
    endpoint_id = fields.UUIDField()
    client_id = fields.UUIDField()
    event_id = fields.UUIDField()
    type = fields.TextField()
    subject = fields.UUIDField()
    facts = fields.JSONField[dict[str, Any]](null=True)
    url = fields.TextField(null=True)
    status = fields.TextField(db_default="PENDING")
    due_at = fields.DatetimeField(db_default=Now())
    attempts = fields.IntField(db_default=0)
    attempted_at = fields.DatetimeField(null=True)
    duration_ms = fields.IntField(null=True)
    answer_status = fields.SmallIntField(null=True)
    answer = fields.TextField(null=True)
    error = fields.TextField(null=True)
    occurred_at = fields.DatetimeField(db_default=Now())
    created_at = fields.DatetimeField(db_default=Now())

    class Meta:
        table = "hook_delivery"


class HookCallback(Model):
    """A URL that the status changes of one message are posted to."""

    message_id = fields.UUIDField(primary_key=True)
    endpoint_id = fields.UUIDField()
    url = fields.TextField()

    class Meta:
        table = "hook_callback"


class HookFinishedSend(Model):
    """A send whose end was reported to its client."""

    send_id = fields.UUIDField(primary_key=True)

    class Meta:
        table = "hook_finished_send"


class HookPosition(Model):
    """The transaction up to which finished sends were looked for. One row."""

    id = fields.SmallIntField(primary_key=True, generated=False)
    changed_xid = fields.BigIntField()

    class Meta:
        table = "hook_position"
