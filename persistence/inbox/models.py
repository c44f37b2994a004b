"""Tortoise models of the inbox tables. `persistence.identity.models` explains the rules."""

from __future__ import annotations

from tortoise import fields
from tortoise.fields.db_defaults import Now
from tortoise.models import Model

from persistence.sql import CURRENT_TRANSACTION


class WebhookEvent(Model):
    """What a provider called us with: stored raw before anything else is done with it.

    `due_at`: when it is to be received next; null once it is. `key`: what makes a second one of
    the same a duplicate; null for those. `times`: how often, where refusals are told together.
    """

    id = fields.UUIDField(primary_key=True)
    provider = fields.TextField()
    key = fields.BinaryField(null=True)
    body = fields.BinaryField()
    outcome = fields.TextField()
    reason = fields.TextField()
    client_id = fields.UUIDField(null=True)
    inbound_id = fields.UUIDField(null=True)
    modem = fields.TextField(null=True)
    port = fields.TextField(null=True)
    due_at = fields.DatetimeField(null=True)
    tries = fields.SmallIntField(db_default=0)
    times = fields.IntField(db_default=1)
    received_at = fields.DatetimeField(db_default=Now())
    updated_at = fields.DatetimeField(db_default=Now())
    version = fields.IntField(db_default=0)
    changed_xid = fields.BigIntField(db_default=CURRENT_TRANSACTION)

    class Meta:
        table = "webhook_event"


class Inbound(Model):
    """A message from a phone to a client; its id is the event's that brought it.

    `feed`: its gapless number in the client's feed, in order of commit.
    """

    id = fields.UUIDField(primary_key=True)
    client_id = fields.UUIDField()
    feed = fields.BigIntField()
    number = fields.TextField()
    text = fields.TextField()
    receiver = fields.TextField(null=True)
    modem = fields.TextField(null=True)
    port = fields.TextField(null=True)
    created_at = fields.DatetimeField(db_default=Now())

    class Meta:
        table = "inbound"


class ClientFeed(Model):
    """The last number given out in a client's feed. Its lock is what puts receiving in order."""

    client_id = fields.UUIDField(primary_key=True)
    last_feed = fields.BigIntField(db_default=0)

    class Meta:
        table = "client_feed"


class Conversation(Model):
    """A client and a number that has written to it.

    `modem`, `port`: the line of its last inbound. Inboxes are ordered by `last_message_id`.
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
    """When a client and a number last wrote to each other through a line.

    The key is (number, modem, port, client_id): see the migrations' SQL.
    """

    number = fields.CharField(max_length=20, primary_key=True)
    modem = fields.TextField()
    port = fields.TextField()
    client_id = fields.UUIDField()
    last_active_id = fields.UUIDField()

    class Meta:
        table = "conversation_line"


class SentTo(Model):
    """Messages by the number that they went to, written when a send is captured.

    An index of its own outside the accept path. The key is (number, client_id, message_id).
    """

    number = fields.CharField(max_length=20, primary_key=True)
    client_id = fields.UUIDField()
    message_id = fields.UUIDField()

    class Meta:
        table = "sent_to"


class ModemRoute(Model):
    """A line (modem and port) that a client has been seen on, or that was set by hand to be its."""

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
    """A number that a client may not send to. The key is (client_id, number)."""

    client_id = fields.UUIDField(primary_key=True)
    number = fields.TextField()
    source = fields.TextField()
    inbound_id = fields.UUIDField(null=True)
    created_at = fields.DatetimeField(db_default=Now())

    class Meta:
        table = "opt_out"


class StatusPoll(Model):
    """How far a round of asking for the status of messages has come in a provider account.

    The key is (provider_account_id, round). `claimed_until`: somebody is at it.
    """

    provider_account_id = fields.UUIDField(primary_key=True)
    round = fields.SmallIntField()
    after_id = fields.UUIDField()
    claimed_until = fields.DatetimeField(null=True)

    class Meta:
        table = "status_poll"


class Contact(Model):
    """A number that a client has sent to or heard from."""

    id = fields.UUIDField(primary_key=True)
    client_id = fields.UUIDField()
    number = fields.TextField()
    name = fields.TextField(null=True)
    business = fields.TextField(null=True)
    created_at = fields.DatetimeField(db_default=Now())

    class Meta:
        table = "contact"
