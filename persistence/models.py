"""The tables, as Tortoise models: columns here, constraints and storage in the migrations' SQL.

Tortoise drops named constraints at a table's first creation (its issue 2272), hence the split; a
test reads the constraints back from PostgreSQL. Ids are UUIDv7, made by the program. Hot tables
(account, transfer, send, message, attempt) carry no foreign keys: docs/decisions/0003 says why.
"""

from __future__ import annotations

from tortoise import fields
from tortoise.fields.db_defaults import Now
from tortoise.models import Model

# Who there is


class Group(Model):
    """Clients that are led and seen together. Its units are held by `account_id`."""

    id = fields.UUIDField(primary_key=True)
    name = fields.TextField()
    rate_per_unit_usd = fields.DecimalField(max_digits=18, decimal_places=6, null=True)
    account_id = fields.UUIDField()
    created_at = fields.DatetimeField(db_default=Now())

    class Meta:
        table = "client_group"


class Client(Model):
    """One tenant. `account_id` is the node that its sends are charged to."""

    id = fields.UUIDField(primary_key=True)
    name = fields.TextField()
    business = fields.TextField(null=True)
    status = fields.TextField(db_default="ACTIVE")
    group_id = fields.UUIDField(null=True)
    account_id = fields.UUIDField()
    rate_per_unit_usd = fields.DecimalField(max_digits=18, decimal_places=6, null=True)
    created_at = fields.DatetimeField(db_default=Now())

    class Meta:
        table = "client"


class AssignedNumber(Model):
    """A number of ours that belongs to one client: what is sent to it is theirs.

    `route_id`: the modem route that it came with, and goes with.
    """

    number = fields.CharField(max_length=20, primary_key=True)
    client_id = fields.UUIDField()
    route_id = fields.UUIDField(null=True)

    class Meta:
        table = "assigned_number"


class User(Model):
    """A person who signs in."""

    id = fields.UUIDField(primary_key=True)
    email = fields.TextField()
    password_hash = fields.TextField()
    role = fields.TextField()
    client_id = fields.UUIDField(null=True)
    group_id = fields.UUIDField(null=True)
    disabled = fields.BooleanField(db_default=False)
    created_at = fields.DatetimeField(db_default=Now())

    class Meta:
        table = "app_user"


class Session(Model):
    """One sign-in, until it is signed out, revoked or its last refresh token is too old."""

    id = fields.UUIDField(primary_key=True)
    user_id = fields.UUIDField()
    created_at = fields.DatetimeField(db_default=Now())
    revoked_at = fields.DatetimeField(null=True)

    class Meta:
        table = "session"


class RefreshToken(Model):
    """One link of a session's chain of refresh tokens; used once, a second use ends the session."""

    id = fields.UUIDField(primary_key=True)
    token_hash = fields.BinaryField()
    session_id = fields.UUIDField()
    created_at = fields.DatetimeField(db_default=Now())
    expires_at = fields.DatetimeField()
    used_at = fields.DatetimeField(null=True)

    class Meta:
        table = "refresh_token"


class ApiKey(Model):
    """A secret of a program's. The secret itself is shown once and kept as a hash."""

    id = fields.UUIDField(primary_key=True)
    user_id = fields.UUIDField()
    name = fields.TextField()
    prefix = fields.TextField()
    secret_hash = fields.BinaryField()
    created_at = fields.DatetimeField(db_default=Now())
    last_used_at = fields.DatetimeField(null=True)
    revoked_at = fields.DatetimeField(null=True)

    class Meta:
        table = "api_key"


class AccessChange(Model):
    """Whose cached rights are out of date: read by every process several times a second."""

    id = fields.UUIDField(primary_key=True)
    subject_id = fields.UUIDField()
    created_at = fields.DatetimeField(db_default=Now())

    class Meta:
        table = "access_change"


# What they hold


class ProviderAccount(Model):
    """An account at an upstream provider, and what it said of its balance.

    `reading_*`: see `domain.ledger.sync`; `paused_*`: the provider refused the account.
    """

    id = fields.UUIDField(primary_key=True)
    provider = fields.TextField()
    owner_client_id = fields.UUIDField(null=True)
    is_default = fields.BooleanField(db_default=False)
    account_id = fields.UUIDField()
    unit = fields.TextField()
    price = fields.BigIntField()
    valuation = fields.TextField(db_default="AS_IS")
    credentials = fields.BinaryField(null=True)
    epoch = fields.BigIntField(db_default=0)
    reading_until = fields.DatetimeField(null=True)
    reading_by = fields.UUIDField(null=True)
    reading_raw = fields.TextField(null=True)
    read_at = fields.DatetimeField(null=True)
    read_failed_at = fields.DatetimeField(null=True)
    paused_at = fields.DatetimeField(null=True)
    pause_reason = fields.TextField(null=True)
    probe_at = fields.DatetimeField(null=True)
    rate_per_second = fields.IntField(null=True)
    created_at = fields.DatetimeField(db_default=Now())

    class Meta:
        table = "provider_account"


class ProviderPace(Model):
    """When the next message may leave for a provider account that has a rate limit."""

    provider_account_id = fields.UUIDField(primary_key=True)
    next_at = fields.DatetimeField()

    class Meta:
        table = "provider_pace"


class Account(Model):
    """A node of the tree: what it holds itself, and its gapless version.

    `departed_version`: what moves of clients have added to it or taken from it, so that no figure's
    version ever falls. `arrears`: how far below zero reconcile had to take it.
    """

    id = fields.UUIDField(primary_key=True)
    kind = fields.TextField()
    provider_account_id = fields.UUIDField()
    parent_id = fields.UUIDField(null=True)
    held = fields.BigIntField(db_default=0)
    version = fields.BigIntField(db_default=0)
    departed_version = fields.BigIntField(db_default=0)
    arrears = fields.BigIntField(db_default=0)
    created_at = fields.DatetimeField(db_default=Now())

    class Meta:
        table = "account"


class Transfer(Model):
    """Units that moved, once and for ever: the database refuses to change or delete a row."""

    id = fields.UUIDField(primary_key=True)
    provider_account_id = fields.UUIDField()
    kind = fields.TextField()
    source_id = fields.UUIDField(null=True)
    destination_id = fields.UUIDField(null=True)
    amount = fields.BigIntField()
    source_balance = fields.BigIntField(null=True)
    source_version = fields.BigIntField(null=True)
    destination_balance = fields.BigIntField(null=True)
    destination_version = fields.BigIntField(null=True)
    send_id = fields.UUIDField(null=True)
    message_id = fields.UUIDField(null=True)
    sync_id = fields.UUIDField(null=True)
    actor_id = fields.UUIDField(null=True)
    note = fields.TextField(null=True)
    rate_usd = fields.DecimalField(max_digits=18, decimal_places=6, null=True)
    value_usd = fields.DecimalField(max_digits=24, decimal_places=2, null=True)
    created_at = fields.DatetimeField(db_default=Now())

    class Meta:
        table = "transfer"


class Sync(Model):
    """One reading of a provider's balance and what it did to the pool."""

    id = fields.UUIDField(primary_key=True)
    provider_account_id = fields.UUIDField()
    reading_raw = fields.TextField()
    reading = fields.BigIntField()
    in_flight = fields.BigIntField()
    pool_before = fields.BigIntField()
    pool_after = fields.BigIntField()
    epoch = fields.BigIntField()
    actor_id = fields.UUIDField(null=True)
    created_at = fields.DatetimeField(db_default=Now())

    class Meta:
        table = "sync"


class IdempotencyKey(Model):
    """A key that was used, the hash of the input it came with, and the answer that was given."""

    scope_id = fields.UUIDField()
    key = fields.TextField()
    id = fields.UUIDField(primary_key=True)
    input_hash = fields.BinaryField()
    answer = fields.JSONField[dict[str, object]]()
    created_at = fields.DatetimeField(db_default=Now())

    class Meta:
        table = "idempotency_key"


# What they send


class Send(Model):
    """One request to send: who pays, how much, and the text where all messages share it.

    `modem`, `port`, `warning`: of a reply: the line that it leaves through, and what the sender
    was told of it.
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
    created_at = fields.DatetimeField(db_default=Now())

    class Meta:
        table = "send"


class Message(Model):
    """One text to one number, with its place in the queue and its last attempt.

    `text` is null where the send's text is meant. `due_at` orders the queue within a tenant;
    `price` is repeated from the send so that what is in flight is one sum.
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
    due_at = fields.DatetimeField()
    alone = fields.BooleanField(db_default=False)
    attempt_id = fields.UUIDField(null=True)
    attempts = fields.SmallIntField(db_default=0)
    waiting_for = fields.TextField(null=True)
    failure = fields.TextField(null=True)
    reference = fields.TextField(null=True)
    in_reading = fields.BooleanField(db_default=False)
    created_at = fields.DatetimeField(db_default=Now())
    updated_at = fields.DatetimeField(db_default=Now())

    class Meta:
        table = "message"


class Attempt(Model):
    """One call made for messages: committed before its first byte leaves."""

    id = fields.UUIDField(primary_key=True)
    provider_account_id = fields.UUIDField()
    dispatcher_id = fields.UUIDField()
    epoch = fields.BigIntField()
    messages = fields.IntField()
    started_at = fields.DatetimeField()
    lease_until = fields.DatetimeField()
    ended_at = fields.DatetimeField(null=True)
    outcome = fields.TextField(null=True)
    detail = fields.TextField(null=True)

    class Meta:
        table = "attempt"


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
