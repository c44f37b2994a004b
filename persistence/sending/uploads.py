"""Uploads and their parts: what `domain.sending.ports.Uploads` needs.

SQL for the sum of sizes, which are rounded up, and for the purge: see the comments there.
"""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from uuid import UUID

from tortoise.expressions import Subquery

from domain.errors import NotFound
from domain.identity.access import OfClient
from domain.sending.files.layout import Layout
from domain.sending.files.table import KEPT_SECONDS, Upload
from persistence.database import Connection, orm, transaction
from persistence.identity.models import Client
from persistence.sending import models

# A small file takes at least one page of the table and of its index.
SIZE = "SELECT coalesce(sum(greatest(size, 16384)), 0)::int8 FROM upload WHERE client_id = $1"

# PostgreSQL uses no index for a volatile time, such as clock_timestamp(). An array: as a join, jobs
# could be planned to read all uploads.
IS_NEEDED = "id = ANY (ARRAY(SELECT upload_id FROM send_job WHERE unwritten > 0))"
LOCK_OLD = f"""
SELECT id FROM upload WHERE created_at < statement_timestamp() - make_interval(secs => $1)
  AND NOT {IS_NEEDED}
ORDER BY created_at LIMIT $2 FOR UPDATE SKIP LOCKED
"""  # noqa: S608 - a condition of our own
# A separate statement: it sees the jobs that were accepted before the uploads were locked.
PURGE = f"DELETE FROM upload WHERE id = ANY($1::uuid[]) AND NOT {IS_NEEDED}"  # noqa: S608


async def uploads_size(tx: Connection, client_id: UUID) -> int:
    # Uploads of one client wait for each other, so that their sum stays within the limit.
    await lock_client(tx, client_id)
    size: int = await tx.fetchval(SIZE, client_id)
    return size


async def lock_client(tx: Connection, client_id: UUID) -> None:
    """Locks the client until the transaction ends."""
    await Client.filter(id=client_id).using_db(orm(tx)).select_for_update(no_key=True)


async def write_upload(tx: Connection, upload: Upload) -> None:
    await models.Upload.create(
        using_db=orm(tx),
        id=upload.id,
        client_id=upload.client_id,
        size=upload.size,
        layout=asdict(upload.layout),
    )


async def write_upload_part(tx: Connection, upload_id: UUID, position: int, part: bytes) -> None:
    await models.UploadPart.create(
        using_db=orm(tx), upload_id=upload_id, position=position, content=part
    )


async def find_upload(
    scope: OfClient, upload_id: UUID, *, kept_seconds: float | None = KEPT_SECONDS
) -> Upload:
    uploads = models.Upload.filter(client_id=scope.client_id, id=upload_id)
    if kept_seconds is not None:
        oldest = datetime.now(UTC) - timedelta(seconds=kept_seconds)
        uploads = uploads.filter(created_at__gt=oldest)
    row = await uploads.first()
    if row is None:
        raise NotFound("upload")
    return Upload(row.id, row.client_id, row.size, Layout(**row.layout))


async def read_upload_part(scope: OfClient, upload_id: UUID, position: int) -> bytes | None:
    # By the client as well, in one statement: no other tenant may read these bytes.
    own = Subquery(models.Upload.filter(id=upload_id, client_id=scope.client_id).values("id"))
    part = await models.UploadPart.get_or_none(upload_id=own, position=position)
    return part.content if part else None


async def purge_uploads(*, age_seconds: float, most: int) -> int:
    async with transaction() as tx:
        old = [row[0] for row in await tx.fetch(LOCK_OLD, age_seconds, most)]
        done = await tx.execute(PURGE, old)
    return int(done.split()[-1])
