"""Uploads and their parts: what `domain.sending.ports.Uploads` needs."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from domain.errors import NotFound
from domain.identity.access import OfClient
from domain.sending.files.layout import Layout
from domain.sending.files.table import KEPT_SECONDS, Upload
from persistence.database import connection, orm, transaction
from persistence.sending import models

if TYPE_CHECKING:
    from persistence.database import Connection

# Uploads of one client wait for each other, so that their sum stays within the limit.
LOCK_CLIENT = "SELECT FROM client WHERE id = $1 FOR NO KEY UPDATE"
# A small file takes at least one page of the table and of its index.
SIZE = "SELECT coalesce(sum(greatest(size, 16384)), 0)::int8 FROM upload WHERE client_id = $1"

# By the client as well, in one statement: a part is bytes, and no other tenant may read them.
READ_PART = """
SELECT content FROM upload_part JOIN upload ON upload.id = upload_part.upload_id
WHERE client_id = $1 AND upload_id = $2 AND position = $3
"""

# PostgreSQL uses no index for a volatile time, such as clock_timestamp(). An array: as a join, jobs
# could be planned to read all uploads.
IS_NEEDED = "id = ANY (ARRAY(SELECT upload_id FROM send_job WHERE unwritten > 0))"
LOCK_OLD = f"""
SELECT id FROM upload WHERE created_at < statement_timestamp() - make_interval(secs => $1)
  AND NOT {IS_NEEDED}
ORDER BY created_at LIMIT $2 FOR UPDATE SKIP LOCKED
"""  # noqa: S608 - a condition of our own
# A statement of its own: it sees the jobs that were accepted before the uploads were locked.
PURGE = f"DELETE FROM upload WHERE id = ANY($1::uuid[]) AND NOT {IS_NEEDED}"  # noqa: S608


async def uploads_size(tx: Connection, client_id: UUID) -> int:
    await tx.execute(LOCK_CLIENT, client_id)
    size: int = await tx.fetchval(SIZE, client_id)
    return size


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
    async with connection() as pooled:
        part: bytes | None = await pooled.fetchval(READ_PART, scope.client_id, upload_id, position)
    return part


async def purge_uploads(*, age_seconds: float, most: int) -> int:
    async with transaction() as tx:
        old = [row[0] for row in await tx.fetch(LOCK_OLD, age_seconds, most)]
        done = await tx.execute(PURGE, old)
    return int(done.split()[-1])
