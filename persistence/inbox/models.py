"""Tortoise models of the inbox tables. `persistence.identity.models` explains the rules."""

from __future__ import annotations

from tortoise import fields
from tortoise.fields.db_defaults import Now
from tortoise.models import Model

from persistence.sql import CURRENT_TRANSACTION


class WebhookEvent(Model):
    """A call of a provider, stored as it came before anything else happens.

    `original_id`: of a repetition with the same body: the event that has the body. `due_at`: when
    to receive it next, null after that. `key`: of events from before there was
    `webhook_event_key`. `times`: more than 1 for refusals, counted per minute.
    `provider_account_id`: of a call that names its account. `sender`: as it was read.
    `opt_out_pending`: a STOP that waits for the operator's decision.
    """

    id = fields.UUIDField(primary_key=True)
    provider = fields.TextField()
    key = fields.BinaryField(null=True)
    body = fields.BinaryField()
    original_id = fields.UUIDField(null=True)
    provider_account_id = fields.UUIDField(null=True)
    outcome = fields.TextField()
    reason = fields.TextField()
    client_id = fields.UUIDField(null=True)
    inbound_id = fields.UUIDField(null=True)
    modem = fields.TextField(null=True)
    port = fields.TextField(null=True)
    sender = fields.TextField(null=True)
    opt_out_pending = fields.BooleanField(db_default=False)
    due_at = fields.DatetimeField(null=True)
    tries = fields.SmallIntField(db_default=0)
    times = fields.IntField(db_default=1)
    received_at = fields.DatetimeField(db_default=Now())
    updated_at = fields.DatetimeField(db_default=Now())
    version = fields.IntField(db_default=0)
    changed_xid = fields.BigIntField(db_default=CURRENT_TRANSACTION)

    class Meta:
        table = "webhook_event"


class WebhookEventKey(Model):
    """What repetitions of an event have in common, and the event. Events are stored by month, and
    a repetition may come in a later month.
    """

    key = fields.UUIDField(primary_key=True)
    event_id = fields.UUIDField()

    class Meta:
        table = "webhook_event_key"


class Inbound(Model):
    """A message from a phone to a client. Its ID is the ID of its event.

    `feed`: its number in the client's feed, without gaps, in order of commit. `mentions_opt_out`:
    the text contains an opt-out word but did not opt the sender out. `deleted_at`: when the client
    removed it from its lists.
    """

    id = fields.UUIDField(primary_key=True)
    client_id = fields.UUIDField()
    feed = fields.BigIntField()
    number = fields.TextField()
    text = fields.TextField()
    receiver = fields.TextField(null=True)
    modem = fields.TextField(null=True)
    port = fields.TextField(null=True)
    mentions_opt_out = fields.BooleanField(db_default=False)
    created_at = fields.DatetimeField(db_default=Now())
    deleted_at = fields.DatetimeField(null=True)

    class Meta:
        table = "inbound"


class ErasedInbound(Model):
    """An inbound message of a person who was erased: a reader of the feed may resume after it."""

    id = fields.UUIDField(primary_key=True)
    client_id = fields.UUIDField()
    feed = fields.BigIntField()

    class Meta:
        table = "erased_inbound"


class ClientFeed(Model):
    """The last number of a client's feed. Its row lock keeps the feed in order of commit."""

    client_id = fields.UUIDField(primary_key=True)
    last_feed = fields.BigIntField(db_default=0)

    class Meta:
        table = "client_feed"


class Conversation(Model):
    """A client and a number that has written to it.

    `modem`, `port`: the line of its last inbound message. Inboxes are ordered by `last_message_id`.
    """

    id = fields.UUIDField(primary_key=True)
    client_id = fields.UUIDField()
    number = fields.TextField()
    unread = fields.IntField(db_default=0)
    last_message_id = fields.UUIDField()
    last_inbound_id = fields.UUIDField()
    modem = fields.TextField(null=True)
    port = fields.TextField(null=True)
    created_at = fields.DatetimeField(db_default=Now())
    updated_at = fields.DatetimeField(db_default=Now())
    version = fields.IntField(db_default=0)
    changed_xid = fields.BigIntField(db_default=CURRENT_TRANSACTION)

    class Meta:
        table = "conversation"


class ConversationLine(Model):
    """The last message between a client and a number on a line.

    The primary key is (number, modem, port, client_id): see the SQL of the migrations.
    """

    number = fields.CharField(max_length=20, primary_key=True)
    modem = fields.TextField()
    port = fields.TextField()
    client_id = fields.UUIDField()
    last_active_id = fields.UUIDField()

    class Meta:
        table = "conversation_line"


class SentTo(Model):
    """Messages by recipient, written when a send is captured, to keep it out of the accept path.

    The primary key is (number, client_id, message_id).
    """

    number = fields.CharField(max_length=20, primary_key=True)
    client_id = fields.UUIDField()
    message_id = fields.UUIDField()

    class Meta:
        table = "sent_to"


class ModemRoute(Model):
    """A line (modem and port) that a client was seen on, or that was assigned to it by hand."""

    id = fields.UUIDField(primary_key=True)
    client_id = fields.UUIDField()
    modem = fields.TextField()
    port = fields.TextField()
    learned = fields.BooleanField()
    last_seen_at = fields.DatetimeField(null=True)
    created_at = fields.DatetimeField(db_default=Now())

    class Meta:
        table = "modem_route"


class OptOut(Model):
    """A number that a client must not send to. The primary key is (client_id, number)."""

    client_id = fields.UUIDField(primary_key=True)
    number = fields.TextField()
    source = fields.TextField()
    inbound_id = fields.UUIDField(null=True)
    created_at = fields.DatetimeField(db_default=Now())

    class Meta:
        table = "opt_out"


class StatusPoll(Model):
    """How far a round of status queries has come in a provider account.

    The primary key is (provider_account_id, round). `after_due_at`: only in the rounds of messages
    that were scheduled. `claimed_until`: a process works on it.
    """

    provider_account_id = fields.UUIDField(primary_key=True)
    round = fields.SmallIntField()
    after_id = fields.UUIDField()
    after_due_at = fields.DatetimeField(null=True)
    claimed_until = fields.DatetimeField(null=True)

    class Meta:
        table = "status_poll"


class Contact(Model):
    """A number that a client has sent to or received from."""

    id = fields.UUIDField(primary_key=True)
    client_id = fields.UUIDField()
    number = fields.TextField()
    name = fields.TextField(null=True)
    business = fields.TextField(null=True)
    created_at = fields.DatetimeField(db_default=Now())

    class Meta:
        table = "contact"
