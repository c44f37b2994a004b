"""Tortoise models of the sending tables. `persistence.identity.models` explains the rules."""

from __future__ import annotations

from typing import Any

from tortoise import fields
from tortoise.fields.db_defaults import Now, SqlDefault
from tortoise.models import Model

from persistence.sql import CURRENT_TRANSACTION


class Send(Model):
    """One request to send: who pays, how much, and the text if all messages share it.

    `modem`, `port`, `warning`: for a reply, the line that it leaves through, and the warning that
    its sender got. `send_at`: the time that its caller requested, null for at once. `held`: how
    many messages waited for the end of quiet hours when it was accepted. `due_until`: when the last
    of its messages is due, null if all are due at once. `emptied`: how many of the messages that
    share its text no longer show it. `quiet_hours`: a `domain.identity.quiet_hours.QuietHours`,
    null if none apply. `expires_at`: after it, no message is submitted; null if there is no limit,
    or nothing is left to submit. `captured`: its numbers are contacts. `captured_to`: the last
    message whose number was captured, while a large send is being captured. `tallied`: a large send
    has counters, see `persistence.sending.tallies`. `dropped`: sums of the messages that
    retention has dropped, see `persistence.retention.kinds`.
    """

    id = fields.UUIDField(primary_key=True)
    client_id = fields.UUIDField()
    account_id = fields.UUIDField()
    provider_account_id = fields.UUIDField()
    actor_id = fields.UUIDField(null=True)
    kind = fields.TextField()
    text = fields.TextField(null=True)
    price = fields.BigIntField()
    accepted = fields.IntField()
    rejected_count = fields.IntField()
    rejected = fields.JSONField[list[object]](null=True)
    rate_usd = fields.DecimalField(max_digits=18, decimal_places=6, null=True)
    value_usd = fields.DecimalField(max_digits=24, decimal_places=2, null=True)
    captured = fields.BooleanField(db_default=False)
    modem = fields.TextField(null=True)
    port = fields.TextField(null=True)
    warning = fields.TextField(null=True)
    emptied = fields.IntField(db_default=0)
    expires_at = fields.DatetimeField(null=True)
    created_at = fields.DatetimeField(db_default=Now())
    send_at = fields.DatetimeField(null=True)
    held = fields.IntField(db_default=0)
    due_until = fields.DatetimeField(null=True)
    tallied = fields.BooleanField(db_default=True)
    dropped = fields.JSONField[dict[str, int]](null=True)
    captured_to = fields.UUIDField(null=True)
    quiet_hours = fields.JSONField[dict[str, str]](null=True)

    class Meta:
        table = "send"


class Message(Model):
    """One text to one number, with its place in the queue and its last attempt.

    `text`: null if it is the send's. `due_at` orders the queue within a tenant; null once the
    provider has accepted the message. `price` is repeated from the send so that what is in flight
    is one sum. `send_at`: it is not submitted before this time, null for at once. A retry changes
    `due_at` and not `send_at`. Until `send_at`, `priority` is higher by
    `domain.sending.messages.LATER`. `deleted_at`: when the client removed it from its lists.
    `provider_account_id`: the account that submits it; with a `route_id`, it can be another one
    than the send's. `route_charged`: what that account's pool has paid for it, see
    `domain.dispatch.settlement`. `by_send`: null if its ID follows that of its send, true if it is
    in the index by send, see `persistence.sending.of_send`. `in_part`: true if it was written with
    a row of `queued_part`.
    """

    id = fields.UUIDField(primary_key=True)
    send_id = fields.UUIDField()
    client_id = fields.UUIDField()
    provider_account_id = fields.UUIDField()
    number = fields.TextField()
    text = fields.TextField(null=True)
    status = fields.TextField(db_default="QUEUED")
    priority = fields.SmallIntField()
    price = fields.BigIntField()
    due_at = fields.DatetimeField(null=True)
    alone = fields.BooleanField(db_default=False)
    attempt_id = fields.UUIDField(null=True)
    attempts = fields.SmallIntField(db_default=0)
    waiting_for = fields.TextField(null=True)
    failure = fields.TextField(null=True)
    reference = fields.TextField(null=True)
    in_reading = fields.BooleanField(db_default=False)
    verdicts = fields.SmallIntField(null=True)
    created_at = fields.DatetimeField(db_default=Now())
    updated_at = fields.DatetimeField(db_default=Now())
    version = fields.IntField(db_default=0)
    changed_xid = fields.BigIntField(db_default=CURRENT_TRANSACTION)
    send_at = fields.DatetimeField(null=True)
    deleted_at = fields.DatetimeField(null=True)
    route_id = fields.UUIDField(null=True)
    route_charged = fields.BigIntField(null=True)
    by_send = fields.BooleanField(null=True, db_default=True)
    in_part = fields.BooleanField(null=True)

    class Meta:
        table = "message"


class Template(Model):
    """A text that a client has saved. Its name is unique for the client, in any case."""

    id = fields.UUIDField(primary_key=True)
    client_id = fields.UUIDField()
    name = fields.TextField()
    text = fields.TextField()
    created_at = fields.DatetimeField(db_default=Now())
    updated_at = fields.DatetimeField(db_default=Now())

    class Meta:
        table = "template"


class ProviderRoute(Model):
    """Which account sends to a prefix for a pool's clients. Rows are retired, not changed."""

    id = fields.UUIDField(primary_key=True)
    pool_id = fields.UUIDField()
    prefix = fields.TextField()
    provider_account_id = fields.UUIDField()
    cost = fields.BigIntField()
    fallback_account_id = fields.UUIDField(null=True)
    fallback_cost = fields.BigIntField(null=True)
    created_at = fields.DatetimeField(db_default=Now())
    retired_at = fields.DatetimeField(null=True)

    class Meta:
        table = "provider_route"


class SendTally(Model):
    """Changes of the statuses of a send's messages: see `persistence.sending.tallies`."""

    id = fields.BigIntField(
        primary_key=True, generated=False, db_default=SqlDefault("nextval('send_tally_number')")
    )
    send_id = fields.UUIDField()
    queued = fields.IntField(db_default=0)
    submitting = fields.IntField(db_default=0)
    sent = fields.IntField(db_default=0)
    delivered = fields.IntField(db_default=0)
    undelivered = fields.IntField(db_default=0)
    rejected = fields.IntField(db_default=0)
    unknown = fields.IntField(db_default=0)
    cancelled = fields.IntField(db_default=0)

    class Meta:
        table = "send_tally"


class OpenSend(Model):
    """A large send with messages that may wait: see `persistence.sending.tallies`.

    `provider_account_id`: the send's, whose pool has paid for it.
    """

    send_id = fields.UUIDField(primary_key=True)
    provider_account_id = fields.UUIDField()

    class Meta:
        table = "open_send"


class QueuedPart(Model):
    """The messages of a bulk between two IDs that wait: see `persistence.sending.parts`."""

    last_id = fields.UUIDField(primary_key=True)
    first_id = fields.UUIDField()
    send_id = fields.UUIDField()
    client_id = fields.UUIDField()
    provider_account_id = fields.UUIDField()
    due_at = fields.DatetimeField()

    class Meta:
        table = "queued_part"


class QueueSum(Model):
    """Single messages that wait for an account, summed: see `persistence.ledger.singles`.

    `below_xid`: the sum is of those whose `changed_xid` is smaller. `ended_xid`: when all
    transactions below it have ended, the sum gets its figure; until then, `messages` and `units`
    are null.
    """

    id = fields.BigIntField(
        primary_key=True, generated=False, db_default=SqlDefault("nextval('queue_sum_number')")
    )
    provider_account_id = fields.UUIDField()
    cluster = fields.BigIntField(db_default=SqlDefault("(pg_control_system()).system_identifier"))
    below_xid = fields.BigIntField()
    ended_xid = fields.BigIntField(null=True)
    messages = fields.BigIntField(null=True)
    units = fields.BigIntField(null=True)

    class Meta:
        table = "queue_sum"


class QueueChange(Model):
    """What a statement changed in a sum, until it is added to it."""

    id = fields.BigIntField(
        primary_key=True, generated=False, db_default=SqlDefault("nextval('queue_change_number')")
    )
    queue_sum_id = fields.BigIntField()
    messages = fields.BigIntField()
    units = fields.BigIntField()

    class Meta:
        table = "queue_change"


class SendJob(Model):
    """A send whose messages are written in parts, from its upload: see docs/decisions/0193.

    `unwritten`: messages that are charged and not written yet. `cancelled`: those that were
    cancelled before they were written, and never will be. `plan`, `accepted_rows`: what to write,
    null at the end. `rows_read`: rows of the file that are done. `last_id`: of the message that was
    written last. `scheduled`: messages that were written for a later time. `changed_xid`: the
    transaction that cancelled the rest. `claimed_by`: the process that writes, until
    `claimed_until`.
    """

    send_id = fields.UUIDField(primary_key=True)
    client_id = fields.UUIDField()
    provider_account_id = fields.UUIDField()
    upload_id = fields.UUIDField()
    price = fields.BigIntField()
    plan = fields.JSONField[dict[str, Any]](null=True)
    accepted_rows = fields.BinaryField(null=True)
    unwritten = fields.IntField()
    cancelled = fields.IntField(db_default=0)
    rows_read = fields.IntField(db_default=0)
    scheduled = fields.IntField(db_default=0)
    last_id = fields.UUIDField(null=True)
    claimed_by = fields.UUIDField(null=True)
    claimed_until = fields.DatetimeField(null=True)
    seen_at = fields.DatetimeField(db_default=Now())
    cancelled_at = fields.DatetimeField(null=True)
    changed_xid = fields.BigIntField(null=True)

    class Meta:
        table = "send_job"


class Upload(Model):
    """A client's file as CSV. `layout`: a `domain.sending.files.layout.Layout`."""

    id = fields.UUIDField(primary_key=True)
    client_id = fields.UUIDField()
    size = fields.BigIntField()
    layout = fields.JSONField[dict[str, Any]]()
    created_at = fields.DatetimeField(db_default=Now())

    class Meta:
        table = "upload"


class UploadPart(Model):
    """A part of a file's bytes. The key is (upload_id, position): see 0006_uploads.sql."""

    upload_id = fields.UUIDField(primary_key=True)
    position = fields.IntField()
    content = fields.BinaryField()

    class Meta:
        table = "upload_part"
