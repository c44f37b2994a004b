"""When conversations and webhook events changed last: who watches finds by it what was missed."""

from tortoise import fields, migrations
from tortoise.fields.db_defaults import Now
from tortoise.migrations import operations as ops

UPDATED_AT = ("Conversation", "WebhookEvent")

INDEXES = """
CREATE INDEX conversation_by_change ON conversation (updated_at);
CREATE INDEX webhook_event_by_change ON webhook_event (updated_at);
"""


class Migration(migrations.Migration):
    """A time of the last change, and an index by it."""

    dependencies = [("ibiki", "0004_two_way_constraints")]  # noqa: RUF012
    operations = [  # noqa: RUF012
        *[
            ops.AddField(
                model_name=name,
                name="updated_at",
                field=fields.DatetimeField(db_default=Now(), auto_now=False, auto_now_add=False),
            )
            for name in UPDATED_AT
        ],
        ops.RunSQL(INDEXES),
    ]
