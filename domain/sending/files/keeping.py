"""Keeping files and reading them again.

Kept in the database, in parts, so that every process of every machine finds them; read from a file
without a name on the disk of whoever reads.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, BinaryIO
from uuid import UUID

from domain.errors import InvalidFile, NotFound
from domain.identity.access import Actor, OfClient, own_scope
from domain.ids import new_id
from domain.sending.files.layout import layout_of
from domain.sending.files.upload import PART_BYTES, Upload
from domain.transactions import changing

if TYPE_CHECKING:
    from domain.installation import Installation


async def keep_upload(
    installation: Installation, actor: Actor, file: BinaryIO, *, charset: str | None = None
) -> Upload:
    """The file is kept for a day, whole or not at all. Raises InvalidFile for what is no table."""
    scope = own_scope(actor)
    size = file.seek(0, 2)
    if not size:
        raise InvalidFile("The file is empty.")
    lay_out = partial(layout_of, file, installation.normaliser, charset=charset)
    async with installation.workbench.turn(scope.client_id):
        layout = await asyncio.to_thread(lay_out)
    if not layout.rows:
        raise InvalidFile("The file has no rows but its header.")
    upload = Upload(new_id(), scope.client_id, size, layout)
    async with changing(installation.store) as tx:
        most = installation.limits.uploads_bytes
        if await installation.store.uploads_size(tx, scope.client_id) + size > most:
            raise InvalidFile(
                f"With this file, those of the last day come to more than {most:,} bytes. Each is"
                " removed a day after it came: upload this one later."
            )
        await installation.store.write_upload(tx, upload)
        for position, part in enumerate(_parts(file)):
            await installation.store.write_upload_part(tx, upload.id, position, part)
    return upload


@asynccontextmanager
async def opened(
    installation: Installation, scope: OfClient, upload_id: UUID | None
) -> AsyncIterator[tuple[Upload, BinaryIO]]:
    """An upload of the tenant's with its bytes, for as long as they are read.

    `upload_id`: None for what cannot be one's. Raises NotFound, the same for another tenant's, an
    unknown one and one that is gone; and RateLimited.
    """
    if upload_id is None:
        raise _gone()
    try:
        upload = await installation.store.find_upload(scope, upload_id)
    except NotFound:
        raise _gone() from None
    bench = installation.workbench
    async with bench.turn(scope.client_id):
        with bench.file() as file:
            await _fetch(installation, scope, upload, file)
            yield upload, file


async def _fetch(
    installation: Installation, scope: OfClient, upload: Upload, file: BinaryIO
) -> None:
    """The upload's bytes are in the file."""
    for position in range(upload.parts):
        part = await installation.store.read_upload_part(scope, upload.id, position)
        if part is None:
            raise _gone()
        await asyncio.to_thread(file.write, part)


def _parts(file: BinaryIO) -> Iterator[bytes]:
    file.seek(0)
    while part := file.read(PART_BYTES):
        yield part


def _gone() -> NotFound:
    return NotFound("upload: it was never there, or a day has passed since")
