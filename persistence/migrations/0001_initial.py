from tortoise import migrations
from tortoise.migrations import operations as ops
from orjson import loads
from tortoise.fields.data import JSON_DUMPS
from tortoise.fields.db_defaults import Now
from uuid import uuid4
from tortoise import fields


class Migration(migrations.Migration):
    initial = True

    operations = [
        ops.CreateModel(
            name="AccessChange",
            fields=[
                (
                    "id",
                    fields.UUIDField(primary_key=True, default=uuid4, unique=True, db_index=True),
                ),
                ("subject_id", fields.UUIDField()),
                (
                    "created_at",
                    fields.DatetimeField(db_default=Now(), auto_now=False, auto_now_add=False),
                ),
            ],
            options={
                "table": "access_change",
                "app": "ibiki",
                "pk_attr": "id",
                "table_description": "Whose cached rights are out of date: read by every process several times a second.",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Account",
            fields=[
                (
                    "id",
                    fields.UUIDField(primary_key=True, default=uuid4, unique=True, db_index=True),
                ),
                ("kind", fields.TextField(unique=False)),
                ("provider_account_id", fields.UUIDField()),
                ("parent_id", fields.UUIDField(null=True)),
                ("held", fields.BigIntField(db_default=0)),
                ("version", fields.BigIntField(db_default=0)),
                ("departed_version", fields.BigIntField(db_default=0)),
                ("arrears", fields.BigIntField(db_default=0)),
                (
                    "created_at",
                    fields.DatetimeField(db_default=Now(), auto_now=False, auto_now_add=False),
                ),
            ],
            options={
                "table": "account",
                "app": "ibiki",
                "pk_attr": "id",
                "table_description": "A node of the tree: what it holds itself, and its gapless version.",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="ApiKey",
            fields=[
                (
                    "id",
                    fields.UUIDField(primary_key=True, default=uuid4, unique=True, db_index=True),
                ),
                ("user_id", fields.UUIDField()),
                ("name", fields.TextField(unique=False)),
                ("prefix", fields.TextField(unique=False)),
                ("secret_hash", fields.BinaryField()),
                (
                    "created_at",
                    fields.DatetimeField(db_default=Now(), auto_now=False, auto_now_add=False),
                ),
                (
                    "last_used_at",
                    fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
                ),
                ("revoked_at", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
            ],
            options={
                "table": "api_key",
                "app": "ibiki",
                "pk_attr": "id",
                "table_description": "A secret of a program's. The secret itself is shown once and kept as a hash.",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="AssignedNumber",
            fields=[
                (
                    "number",
                    fields.CharField(primary_key=True, unique=True, db_index=True, max_length=20),
                ),
                ("client_id", fields.UUIDField()),
            ],
            options={
                "table": "assigned_number",
                "app": "ibiki",
                "pk_attr": "number",
                "table_description": "A number of ours that belongs to one client: what is sent to it is theirs.",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Attempt",
            fields=[
                (
                    "id",
                    fields.UUIDField(primary_key=True, default=uuid4, unique=True, db_index=True),
                ),
                ("provider_account_id", fields.UUIDField()),
                ("dispatcher_id", fields.UUIDField()),
                ("epoch", fields.BigIntField()),
                ("messages", fields.IntField()),
                ("started_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ("lease_until", fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ("ended_at", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ("outcome", fields.TextField(null=True, unique=False)),
                ("detail", fields.TextField(null=True, unique=False)),
            ],
            options={
                "table": "attempt",
                "app": "ibiki",
                "pk_attr": "id",
                "table_description": "One call made for messages: committed before its first byte leaves.",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Client",
            fields=[
                (
                    "id",
                    fields.UUIDField(primary_key=True, default=uuid4, unique=True, db_index=True),
                ),
                ("name", fields.TextField(unique=False)),
                ("business", fields.TextField(null=True, unique=False)),
                ("status", fields.TextField(db_default="ACTIVE", unique=False)),
                ("group_id", fields.UUIDField(null=True)),
                ("account_id", fields.UUIDField()),
                (
                    "rate_per_unit_usd",
                    fields.DecimalField(null=True, max_digits=18, decimal_places=6),
                ),
                (
                    "created_at",
                    fields.DatetimeField(db_default=Now(), auto_now=False, auto_now_add=False),
                ),
            ],
            options={
                "table": "client",
                "app": "ibiki",
                "pk_attr": "id",
                "table_description": "One tenant. `account_id` is the node that its sends are charged to.",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Contact",
            fields=[
                (
                    "id",
                    fields.UUIDField(primary_key=True, default=uuid4, unique=True, db_index=True),
                ),
                ("client_id", fields.UUIDField()),
                ("number", fields.TextField(unique=False)),
                ("name", fields.TextField(null=True, unique=False)),
                ("business", fields.TextField(null=True, unique=False)),
                (
                    "created_at",
                    fields.DatetimeField(db_default=Now(), auto_now=False, auto_now_add=False),
                ),
            ],
            options={
                "table": "contact",
                "app": "ibiki",
                "pk_attr": "id",
                "table_description": "A number that a client has sent to or heard from.",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Group",
            fields=[
                (
                    "id",
                    fields.UUIDField(primary_key=True, default=uuid4, unique=True, db_index=True),
                ),
                ("name", fields.TextField(unique=False)),
                (
                    "rate_per_unit_usd",
                    fields.DecimalField(null=True, max_digits=18, decimal_places=6),
                ),
                ("account_id", fields.UUIDField()),
                (
                    "created_at",
                    fields.DatetimeField(db_default=Now(), auto_now=False, auto_now_add=False),
                ),
            ],
            options={
                "table": "client_group",
                "app": "ibiki",
                "pk_attr": "id",
                "table_description": "Clients that are led and seen together. Its units are held by `account_id`.",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="IdempotencyKey",
            fields=[
                ("scope_id", fields.UUIDField()),
                ("key", fields.TextField(unique=False)),
                (
                    "id",
                    fields.UUIDField(primary_key=True, default=uuid4, unique=True, db_index=True),
                ),
                ("input_hash", fields.BinaryField()),
                ("answer", fields.JSONField(encoder=JSON_DUMPS, decoder=loads)),
                (
                    "created_at",
                    fields.DatetimeField(db_default=Now(), auto_now=False, auto_now_add=False),
                ),
            ],
            options={
                "table": "idempotency_key",
                "app": "ibiki",
                "pk_attr": "id",
                "table_description": "A key that was used, the hash of the input it came with, and the answer that was given.",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Message",
            fields=[
                (
                    "id",
                    fields.UUIDField(primary_key=True, default=uuid4, unique=True, db_index=True),
                ),
                ("send_id", fields.UUIDField()),
                ("client_id", fields.UUIDField()),
                ("provider_account_id", fields.UUIDField()),
                ("number", fields.TextField(unique=False)),
                ("text", fields.TextField(null=True, unique=False)),
                ("status", fields.TextField(db_default="QUEUED", unique=False)),
                ("priority", fields.SmallIntField()),
                ("price", fields.BigIntField()),
                ("due_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ("alone", fields.BooleanField(db_default=False)),
                ("attempt_id", fields.UUIDField(null=True)),
                ("attempts", fields.SmallIntField(db_default=0)),
                ("waiting_for", fields.TextField(null=True, unique=False)),
                ("failure", fields.TextField(null=True, unique=False)),
                ("reference", fields.TextField(null=True, unique=False)),
                ("in_reading", fields.BooleanField(db_default=False)),
                (
                    "created_at",
                    fields.DatetimeField(db_default=Now(), auto_now=False, auto_now_add=False),
                ),
                (
                    "updated_at",
                    fields.DatetimeField(db_default=Now(), auto_now=False, auto_now_add=False),
                ),
            ],
            options={
                "table": "message",
                "app": "ibiki",
                "pk_attr": "id",
                "table_description": "One text to one number, with its place in the queue and its last attempt.",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="ProviderAccount",
            fields=[
                (
                    "id",
                    fields.UUIDField(primary_key=True, default=uuid4, unique=True, db_index=True),
                ),
                ("provider", fields.TextField(unique=False)),
                ("owner_client_id", fields.UUIDField(null=True)),
                ("is_default", fields.BooleanField(db_default=False)),
                ("account_id", fields.UUIDField()),
                ("unit", fields.TextField(unique=False)),
                ("price", fields.BigIntField()),
                ("valuation", fields.TextField(db_default="AS_IS", unique=False)),
                ("credentials", fields.BinaryField(null=True)),
                ("epoch", fields.BigIntField(db_default=0)),
                (
                    "reading_until",
                    fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
                ),
                ("reading_by", fields.UUIDField(null=True)),
                ("reading_raw", fields.TextField(null=True, unique=False)),
                ("read_at", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                (
                    "read_failed_at",
                    fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
                ),
                ("paused_at", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ("pause_reason", fields.TextField(null=True, unique=False)),
                ("probe_at", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ("rate_per_second", fields.IntField(null=True)),
                (
                    "created_at",
                    fields.DatetimeField(db_default=Now(), auto_now=False, auto_now_add=False),
                ),
            ],
            options={
                "table": "provider_account",
                "app": "ibiki",
                "pk_attr": "id",
                "table_description": "An account at an upstream provider, and what it said of its balance.",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="ProviderPace",
            fields=[
                (
                    "provider_account_id",
                    fields.UUIDField(primary_key=True, default=uuid4, unique=True, db_index=True),
                ),
                ("next_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={
                "table": "provider_pace",
                "app": "ibiki",
                "pk_attr": "provider_account_id",
                "table_description": "When the next message may leave for a provider account that has a rate limit.",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="RefreshToken",
            fields=[
                (
                    "id",
                    fields.UUIDField(primary_key=True, default=uuid4, unique=True, db_index=True),
                ),
                ("token_hash", fields.BinaryField()),
                ("session_id", fields.UUIDField()),
                (
                    "created_at",
                    fields.DatetimeField(db_default=Now(), auto_now=False, auto_now_add=False),
                ),
                ("expires_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ("used_at", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
            ],
            options={
                "table": "refresh_token",
                "app": "ibiki",
                "pk_attr": "id",
                "table_description": "One link of a session's chain of refresh tokens; used once, a second use ends the session.",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Send",
            fields=[
                (
                    "id",
                    fields.UUIDField(primary_key=True, default=uuid4, unique=True, db_index=True),
                ),
                ("client_id", fields.UUIDField()),
                ("account_id", fields.UUIDField()),
                ("provider_account_id", fields.UUIDField()),
                ("actor_id", fields.UUIDField(null=True)),
                ("kind", fields.TextField(unique=False)),
                ("text", fields.TextField(null=True, unique=False)),
                ("price", fields.BigIntField()),
                ("accepted", fields.IntField()),
                ("rejected_count", fields.IntField()),
                ("rejected", fields.JSONField(null=True, encoder=JSON_DUMPS, decoder=loads)),
                ("rate_usd", fields.DecimalField(null=True, max_digits=18, decimal_places=6)),
                ("value_usd", fields.DecimalField(null=True, max_digits=24, decimal_places=2)),
                ("captured", fields.BooleanField(db_default=False)),
                (
                    "created_at",
                    fields.DatetimeField(db_default=Now(), auto_now=False, auto_now_add=False),
                ),
            ],
            options={
                "table": "send",
                "app": "ibiki",
                "pk_attr": "id",
                "table_description": "One request to send: who pays, how much, and the text where all messages share it.",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Session",
            fields=[
                (
                    "id",
                    fields.UUIDField(primary_key=True, default=uuid4, unique=True, db_index=True),
                ),
                ("user_id", fields.UUIDField()),
                (
                    "created_at",
                    fields.DatetimeField(db_default=Now(), auto_now=False, auto_now_add=False),
                ),
                ("revoked_at", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
            ],
            options={
                "table": "session",
                "app": "ibiki",
                "pk_attr": "id",
                "table_description": "One sign-in, until it is signed out, revoked or its last refresh token is too old.",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Sync",
            fields=[
                (
                    "id",
                    fields.UUIDField(primary_key=True, default=uuid4, unique=True, db_index=True),
                ),
                ("provider_account_id", fields.UUIDField()),
                ("reading_raw", fields.TextField(unique=False)),
                ("reading", fields.BigIntField()),
                ("in_flight", fields.BigIntField()),
                ("pool_before", fields.BigIntField()),
                ("pool_after", fields.BigIntField()),
                ("epoch", fields.BigIntField()),
                ("actor_id", fields.UUIDField(null=True)),
                (
                    "created_at",
                    fields.DatetimeField(db_default=Now(), auto_now=False, auto_now_add=False),
                ),
            ],
            options={
                "table": "sync",
                "app": "ibiki",
                "pk_attr": "id",
                "table_description": "One reading of a provider's balance and what it did to the pool.",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Transfer",
            fields=[
                (
                    "id",
                    fields.UUIDField(primary_key=True, default=uuid4, unique=True, db_index=True),
                ),
                ("provider_account_id", fields.UUIDField()),
                ("kind", fields.TextField(unique=False)),
                ("source_id", fields.UUIDField(null=True)),
                ("destination_id", fields.UUIDField(null=True)),
                ("amount", fields.BigIntField()),
                ("source_balance", fields.BigIntField(null=True)),
                ("source_version", fields.BigIntField(null=True)),
                ("destination_balance", fields.BigIntField(null=True)),
                ("destination_version", fields.BigIntField(null=True)),
                ("send_id", fields.UUIDField(null=True)),
                ("message_id", fields.UUIDField(null=True)),
                ("sync_id", fields.UUIDField(null=True)),
                ("actor_id", fields.UUIDField(null=True)),
                ("note", fields.TextField(null=True, unique=False)),
                ("rate_usd", fields.DecimalField(null=True, max_digits=18, decimal_places=6)),
                ("value_usd", fields.DecimalField(null=True, max_digits=24, decimal_places=2)),
                (
                    "created_at",
                    fields.DatetimeField(db_default=Now(), auto_now=False, auto_now_add=False),
                ),
            ],
            options={
                "table": "transfer",
                "app": "ibiki",
                "pk_attr": "id",
                "table_description": "Units that moved, once and for ever: the database refuses to change or delete a row.",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="User",
            fields=[
                (
                    "id",
                    fields.UUIDField(primary_key=True, default=uuid4, unique=True, db_index=True),
                ),
                ("email", fields.TextField(unique=False)),
                ("password_hash", fields.TextField(unique=False)),
                ("role", fields.TextField(unique=False)),
                ("client_id", fields.UUIDField(null=True)),
                ("group_id", fields.UUIDField(null=True)),
                ("disabled", fields.BooleanField(db_default=False)),
                (
                    "created_at",
                    fields.DatetimeField(db_default=Now(), auto_now=False, auto_now_add=False),
                ),
            ],
            options={
                "table": "app_user",
                "app": "ibiki",
                "pk_attr": "id",
                "table_description": "A person who signs in.",
            },
            bases=["Model"],
        ),
    ]
