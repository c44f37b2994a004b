"""Only messages of earlier releases are in the index by send.

While the program of the previous release runs beside this one, it reads the messages of a send from
the hour of the send on, without an index.
"""

from tortoise import migrations

from persistence.migration_steps import CreateIndexConcurrently, DropIndexConcurrently


class Migration(migrations.Migration):
    """Built without blocking writes."""

    atomic = False
    dependencies = [("ibiki", "0063_by_send")]  # noqa: RUF012
    operations = [  # noqa: RUF012
        CreateIndexConcurrently("message_of_earlier_send", "message (send_id, id) WHERE by_send"),
        DropIndexConcurrently("message_by_send"),
    ]
