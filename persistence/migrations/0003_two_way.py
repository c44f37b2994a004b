# ruff: noqa: E501, I001, RUF012
from tortoise import migrations
from tortoise.migrations import operations as ops
from tortoise.fields.db_defaults import Now
from uuid import uuid4
from tortoise import fields


class Migration(migrations.Migration):
    dependencies = [("ibiki", "0002_constraints")]

    initial = False

    operations = [
        ops.CreateModel(
            name="ClientFeed",
            fields=[
                (
                    "client_id",
                    fields.UUIDField(primary_key=True, default=uuid4, unique=True, db_index=True),
                ),
                ("last_feed", fields.BigIntField(db_default=0)),
            ],
            options={
                "table": "client_feed",
                "app": "ibiki",
                "pk_attr": "client_id",
                "table_description": "The last number given out in a client's feed. Its lock is what puts receiving in order.",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Conversation",
            fields=[
                (
                    "id",
                    fields.UUIDField(primary_key=True, default=uuid4, unique=True, db_index=True),
                ),
                ("client_id", fields.UUIDField()),
                ("number", fields.TextField(unique=False)),
                ("unread", fields.IntField(db_default=0)),
                ("last_message_id", fields.UUIDField()),
                ("last_inbound_id", fields.UUIDField()),
                ("modem", fields.TextField(null=True, unique=False)),
                ("port", fields.TextField(null=True, unique=False)),
                (
                    "created_at",
                    fields.DatetimeField(db_default=Now(), auto_now=False, auto_now_add=False),
                ),
            ],
            options={
                "table": "conversation",
                "app": "ibiki",
                "pk_attr": "id",
                "table_description": "A client and a number that has written to it.",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="ConversationLine",
            fields=[
                (
                    "number",
                    fields.CharField(primary_key=True, unique=True, db_index=True, max_length=20),
                ),
                ("modem", fields.TextField(unique=False)),
                ("port", fields.TextField(unique=False)),
                ("client_id", fields.UUIDField()),
                ("last_active_id", fields.UUIDField()),
            ],
            options={
                "table": "conversation_line",
                "app": "ibiki",
                "pk_attr": "number",
                "table_description": "When a client and a number last wrote to each other through a line.",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Inbound",
            fields=[
                (
                    "id",
                    fields.UUIDField(primary_key=True, default=uuid4, unique=True, db_index=True),
                ),
                ("client_id", fields.UUIDField()),
                ("feed", fields.BigIntField()),
                ("number", fields.TextField(unique=False)),
                ("text", fields.TextField(unique=False)),
                ("receiver", fields.TextField(null=True, unique=False)),
                ("modem", fields.TextField(null=True, unique=False)),
                ("port", fields.TextField(null=True, unique=False)),
                (
                    "created_at",
                    fields.DatetimeField(db_default=Now(), auto_now=False, auto_now_add=False),
                ),
            ],
            options={
                "table": "inbound",
                "app": "ibiki",
                "pk_attr": "id",
                "table_description": "A message from a phone to a client; its id is the event's that brought it.",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="ModemRoute",
            fields=[
                (
                    "id",
                    fields.UUIDField(primary_key=True, default=uuid4, unique=True, db_index=True),
                ),
                ("client_id", fields.UUIDField()),
                ("modem", fields.TextField(unique=False)),
                ("port", fields.TextField(unique=False)),
                ("learned", fields.BooleanField()),
                (
                    "last_seen_at",
                    fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
                ),
                (
                    "created_at",
                    fields.DatetimeField(db_default=Now(), auto_now=False, auto_now_add=False),
                ),
            ],
            options={
                "table": "modem_route",
                "app": "ibiki",
                "pk_attr": "id",
                "table_description": "A line (modem and port) that a client has been seen on, or that was set by hand to be its.",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="OptOut",
            fields=[
                (
                    "client_id",
                    fields.UUIDField(primary_key=True, default=uuid4, unique=True, db_index=True),
                ),
                ("number", fields.TextField(unique=False)),
                ("source", fields.TextField(unique=False)),
                ("inbound_id", fields.UUIDField(null=True)),
                (
                    "created_at",
                    fields.DatetimeField(db_default=Now(), auto_now=False, auto_now_add=False),
                ),
            ],
            options={
                "table": "opt_out",
                "app": "ibiki",
                "pk_attr": "client_id",
                "table_description": "A number that a client may not send to. The key is (client_id, number).",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="SentTo",
            fields=[
                (
                    "number",
                    fields.CharField(primary_key=True, unique=True, db_index=True, max_length=20),
                ),
                ("client_id", fields.UUIDField()),
                ("message_id", fields.UUIDField()),
            ],
            options={
                "table": "sent_to",
                "app": "ibiki",
                "pk_attr": "number",
                "table_description": "Messages by the number that they went to, written when a send is captured.",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="StatusPoll",
            fields=[
                (
                    "provider_account_id",
                    fields.UUIDField(primary_key=True, default=uuid4, unique=True, db_index=True),
                ),
                ("round", fields.SmallIntField()),
                ("after_id", fields.UUIDField()),
                (
                    "claimed_until",
                    fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
                ),
            ],
            options={
                "table": "status_poll",
                "app": "ibiki",
                "pk_attr": "provider_account_id",
                "table_description": "How far a round of asking for the status of messages has come in a provider account.",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="WebhookEvent",
            fields=[
                (
                    "id",
                    fields.UUIDField(primary_key=True, default=uuid4, unique=True, db_index=True),
                ),
                ("provider", fields.TextField(unique=False)),
                ("key", fields.BinaryField(null=True)),
                ("body", fields.BinaryField()),
                ("outcome", fields.TextField(unique=False)),
                ("reason", fields.TextField(unique=False)),
                ("client_id", fields.UUIDField(null=True)),
                ("inbound_id", fields.UUIDField(null=True)),
                ("modem", fields.TextField(null=True, unique=False)),
                ("port", fields.TextField(null=True, unique=False)),
                ("due_at", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ("tries", fields.SmallIntField(db_default=0)),
                ("times", fields.IntField(db_default=1)),
                (
                    "received_at",
                    fields.DatetimeField(db_default=Now(), auto_now=False, auto_now_add=False),
                ),
            ],
            options={
                "table": "webhook_event",
                "app": "ibiki",
                "pk_attr": "id",
                "table_description": "What a provider called us with: stored raw before anything else is done with it.",
            },
            bases=["Model"],
        ),
        ops.AddField(
            model_name="AssignedNumber",
            name="route_id",
            field=fields.UUIDField(null=True),
        ),
        ops.AddField(
            model_name="Send",
            name="modem",
            field=fields.TextField(null=True, unique=False),
        ),
        ops.AddField(
            model_name="Send",
            name="port",
            field=fields.TextField(null=True, unique=False),
        ),
        ops.AddField(
            model_name="Send",
            name="warning",
            field=fields.TextField(null=True, unique=False),
        ),
    ]
