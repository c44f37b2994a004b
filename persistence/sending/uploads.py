"""Files in parts, in SQL: behind `domain.sending.ports`."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

import orjson

from domain.errors import NotFound
from domain.identity.access import OfClient
from domain.sending.files.layout import Layout
from domain.sending.files.upload import KEPT_SECONDS, Upload
from persistence.database import connection

if TYPE_CHECKING:
    from asyncpg import Record

    from persistence.database import Connection

# Whoever adds to a client's files waits for the one before: together they are not to be too many.
LOCK_CLIENT = "SELECT FROM client WHERE id = $1 FOR NO KEY UPDATE"
# Small ones take room as well.
SIZE = "SELECT coalesce(sum(greatest(size, 16384)), 0)::int8 FROM upload WHERE client_id = $1"

WRITE_UPLOAD = """
INSERT INTO upload (
    id, client_id, size, encoding, delimiter, has_header, columns, number_column, rows)
VALUES ($1, $2, $3, $4, $5, $6, $7::jsonb, $8, $9)
"""
WRITE_PART = "INSERT INTO upload_part (upload_id, position, content) VALUES ($1, $2, $3)"

FIND = """
SELECT id, client_id, size, encoding, delimiter, has_header, columns, number_column, rows
FROM upload
WHERE client_id = $1 AND id = $2 AND created_at > clock_timestamp() - make_interval(secs => $3)
"""
READ_PART = """
SELECT content FROM upload_part JOIN upload ON upload.id = upload_part.upload_id
WHERE client_id = $1 AND upload_id = $2 AND position = $3
"""

# The time of the statement: PostgreSQL looks nothing volatile up in an index. An array of ids: for
# as many in a subquery it would rather read the whole table.
PURGE = """
DELETE FROM upload WHERE id = ANY (ARRAY(
    SELECT id FROM upload WHERE created_at < statement_timestamp() - make_interval(secs => $1)
    ORDER BY created_at LIMIT $2 FOR UPDATE SKIP LOCKED))
"""


async def uploads_size(tx: Connection, client_id: UUID) -> int:
    """Bytes of a client's files that are kept; whoever asks next waits for this transaction."""
    await tx.execute(LOCK_CLIENT, client_id)
    size: int = await tx.fetchval(SIZE, client_id)
    return size


async def write_upload(tx: Connection, upload: Upload) -> None:
    """Keeps a file, without its bytes."""
    layout = upload.layout
    await tx.execute(
        WRITE_UPLOAD,
        upload.id,
        upload.client_id,
        upload.size,
        layout.encoding,
        layout.delimiter,
        layout.has_header,
        orjson.dumps(layout.columns).decode(),
        layout.number_column,
        layout.rows,
    )


async def write_upload_part(tx: Connection, upload_id: UUID, position: int, part: bytes) -> None:
    """Keeps some of its bytes."""
    await tx.execute(WRITE_PART, upload_id, position, part)


async def find_upload(scope: OfClient, upload_id: UUID) -> Upload:
    """A file that is not a day old. Raises NotFound."""
    async with connection() as pooled:
        row = await pooled.fetchrow(FIND, scope.client_id, upload_id, KEPT_SECONDS)
    if row is None:
        raise NotFound("upload")
    return _upload(row)


async def read_upload_part(scope: OfClient, upload_id: UUID, position: int) -> bytes | None:
    """Some of its bytes, None where they are gone."""
    async with connection() as pooled:
        part: bytes | None = await pooled.fetchval(READ_PART, scope.client_id, upload_id, position)
    return part


async def purge_uploads(*, age_seconds: float, most: int) -> int:
    """Files of that age are gone, at most so many. Returns how many."""
    async with connection() as pooled:
        done = await pooled.execute(PURGE, age_seconds, most)
    return int(done.split()[-1])


def _upload(row: Record) -> Upload:
    return Upload(
        id=row["id"],
        client_id=row["client_id"],
        size=row["size"],
        layout=Layout(
            encoding=row["encoding"],
            delimiter=row["delimiter"],
            has_header=row["has_header"],
            columns=orjson.loads(row["columns"]),
            number_column=row["number_column"],
            rows=row["rows"],
        ),
    )
