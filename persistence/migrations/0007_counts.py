"""A send's messages are counted by status from an index alone: a large send has 100,000 of them."""

from tortoise import migrations
from tortoise.migrations import operations as ops

WITH_STATUS = """
DROP INDEX message_by_send;
CREATE INDEX message_by_send ON message (send_id, id) INCLUDE (status);
"""
WITHOUT_STATUS = """
DROP INDEX message_by_send;
CREATE INDEX message_by_send ON message (send_id, id);
"""


class Migration(migrations.Migration):
    """The status beside the ids of a send's messages."""

    dependencies = [("ibiki", "0006_uploads")]  # noqa: RUF012
    operations = [ops.RunSQL(WITH_STATUS, WITHOUT_STATUS)]  # noqa: RUF012
