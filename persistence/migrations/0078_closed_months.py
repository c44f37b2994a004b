"""What was sent to a number is read by views, so that months that are over need no `sent_to`.

See `persistence.closing`, which changes the views.
"""

from tortoise import migrations
from tortoise.migrations import operations as ops

# It may run twice: a test of earlier migrations applies the newest one again.
VIEWS = """
DO $$ BEGIN
    IF to_regclass('all_sent_to') IS NOT NULL THEN RETURN; END IF;
    CREATE VIEW open_sent_to AS
    SELECT number::text, client_id, message_id, hashtext(number) AS number_hash,
           uuid_hash(client_id) AS client_hash
    FROM sent_to;
    CREATE VIEW closed_sent_to AS
    SELECT number, client_id, id AS message_id, hashtext(number) AS number_hash,
           uuid_hash(client_id) AS client_hash
    FROM message WHERE false;
    CREATE VIEW all_sent_to AS TABLE open_sent_to UNION ALL TABLE closed_sent_to;
END $$
"""


class Migration(migrations.Migration):
    """The release before reads `sent_to`."""

    dependencies = [("ibiki", "0077_erased_inbound")]  # noqa: RUF012
    operations = [ops.RunSQL(VIEWS)]  # noqa: RUF012
