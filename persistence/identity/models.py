"""Tortoise models of the identity tables.

The rules for the models of every area: a model declares columns, types, nullability and defaults.
Primary keys of several columns, foreign keys, CHECKs, indexes and storage are SQL in the
migrations, because Tortoise 1.1.9 drops named constraints when it creates a table (its issue 2272).
tests/persistence compares both with the migrated database. IDs are UUIDv7, made by the program.
The hot tables (account, transfer, send, message, attempt) have no foreign keys: see
docs/decisions/0003. A model is listed in `persistence.opening.MODELS` by its module.
"""

from __future__ import annotations

from tortoise import fields
from tortoise.fields.db_defaults import Now
from tortoise.models import Model

from persistence.sql import CURRENT_TRANSACTION


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


class Client(Model):
    """A tenant. `account_id` is the node that its sends are charged to.

    `quiet_hours`: a `domain.identity.quiet_hours.QuietHours`. `auth_token_number`,
    `auth_token_from`: see `domain.identity.auth_tokens`. `text_days`, `kept_months`: how long texts
    and messages are kept; null is as the installation, 0 is for ever.
    """

    id = fields.UUIDField(primary_key=True)
    name = fields.TextField()
    business = fields.TextField(null=True)
    status = fields.TextField(db_default="ACTIVE")
    group_id = fields.UUIDField(null=True)
    account_id = fields.UUIDField()
    rate_per_unit_usd = fields.DecimalField(max_digits=18, decimal_places=6, null=True)
    low_balance_threshold = fields.BigIntField(null=True)
    created_at = fields.DatetimeField(db_default=Now())
    quiet_hours = fields.JSONField[dict[str, str]](null=True)
    auth_token_number = fields.IntField(db_default=0)
    auth_token_from = fields.DatetimeField(null=True)
    text_days = fields.IntField(null=True)
    kept_months = fields.IntField(null=True)

    class Meta:
        table = "client"


class Group(Model):
    """Clients that a supervisor manages. `account_id` is the node that holds the group's units."""

    id = fields.UUIDField(primary_key=True)
    name = fields.TextField()
    rate_per_unit_usd = fields.DecimalField(max_digits=18, decimal_places=6, null=True)
    account_id = fields.UUIDField()
    created_at = fields.DatetimeField(db_default=Now())

    class Meta:
        table = "client_group"


class AssignedNumber(Model):
    """A number of the platform that is assigned to one client: it receives what is sent to it.

    `route_id`: the modem route that the number was set with. It is deleted with the route.
    """

    number = fields.CharField(max_length=20, primary_key=True)
    client_id = fields.UUIDField()
    route_id = fields.UUIDField(null=True)

    class Meta:
        table = "assigned_number"


class Session(Model):
    """One sign-in. It ends when it is signed out or revoked, or when no refresh token is valid."""

    id = fields.UUIDField(primary_key=True)
    user_id = fields.UUIDField()
    created_at = fields.DatetimeField(db_default=Now())
    revoked_at = fields.DatetimeField(null=True)

    class Meta:
        table = "session"


class RefreshToken(Model):
    """A refresh token of a session. `domain.identity.sessions` explains its use and the salt."""

    id = fields.UUIDField(primary_key=True)
    token_hash = fields.BinaryField()
    session_id = fields.UUIDField()
    created_at = fields.DatetimeField(db_default=Now())
    expires_at = fields.DatetimeField()
    used_at = fields.DatetimeField(null=True)
    successor_salt = fields.BinaryField(null=True)

    class Meta:
        table = "refresh_token"


class ApiKey(Model):
    """The credential of a program. The secret is shown once and stored as a hash."""

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
    """A subject whose cached actors are out of date. Every process reads these rows constantly."""

    id = fields.UUIDField(primary_key=True)
    subject_id = fields.UUIDField()
    created_at = fields.DatetimeField(db_default=Now())
    transaction_id = fields.BigIntField(db_default=CURRENT_TRANSACTION)

    class Meta:
        table = "access_change"
