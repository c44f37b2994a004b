"""Tortoise models of the dispatch tables. `persistence.identity.models` explains the rules."""

from __future__ import annotations

from tortoise import fields
from tortoise.fields.db_defaults import Now
from tortoise.models import Model


class Attempt(Model):
    """One call made for messages: committed before its first byte leaves.

    `dispatcher_id`, `lease_until`: null when it has ended, and are not read any more.
    `has_key`: its call may be asked about by its ID. Null if an earlier release has made it.
    """

    id = fields.UUIDField(primary_key=True)
    provider_account_id = fields.UUIDField()
    dispatcher_id = fields.UUIDField(null=True)
    epoch = fields.BigIntField()
    messages = fields.IntField()
    started_at = fields.DatetimeField()
    lease_until = fields.DatetimeField(null=True)
    ended_at = fields.DatetimeField(null=True)
    outcome = fields.TextField(null=True)
    detail = fields.TextField(null=True)
    has_key = fields.BooleanField(null=True)

    class Meta:
        table = "attempt"


class UnfinishedCancel(Model):
    """A send of which a part is cancelled, and the rest is not yet.

    `actor_id`: who cancels. `seen_at`: of the last part.
    """

    send_id = fields.UUIDField(primary_key=True)
    actor_id = fields.UUIDField()
    seen_at = fields.DatetimeField(db_default=Now())

    class Meta:
        table = "unfinished_cancel"


class ProviderPace(Model):
    """When the next message may leave for a provider account that has a rate limit."""

    provider_account_id = fields.UUIDField(primary_key=True)
    next_at = fields.DatetimeField()

    class Meta:
        table = "provider_pace"
