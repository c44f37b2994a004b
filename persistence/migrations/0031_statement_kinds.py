"""Indexes for statements by kind: allocations among millions of sends."""

from tortoise import migrations

from persistence.migration_steps import CreateIndexConcurrently


class Migration(migrations.Migration):
    """Built without blocking writes."""

    atomic = False
    dependencies = [("ibiki", "0030_verdicts")]  # noqa: RUF012
    operations = [  # noqa: RUF012
        # Partial, so that a send, which nearly all transfers are, costs nothing more.
        CreateIndexConcurrently(
            "transfer_by_source_and_kind",
            "transfer (source_id, kind, source_version)"
            " WHERE source_id IS NOT NULL AND kind <> 'SEND'",
        ),
        CreateIndexConcurrently(
            "transfer_by_destination_and_kind",
            "transfer (destination_id, kind, destination_version) WHERE destination_id IS NOT NULL",
        ),
    ]
