"""Uploads: files of a tenant, kept for a day.

They are stored in the database, in parts, so that every process of every machine finds them. A
process that reads one copies it to an unnamed file on its own disk.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, BinaryIO
from uuid import UUID

from domain.errors import InvalidFile, NotFound
from domain.identity.access import Actor, OfClient, own_scope
from domain.ids import new_id
from domain.long_work import in_file_thread
from domain.numbers import Normaliser
from domain.sending.files.headers import PHONES, kind_of
from domain.sending.files.layout import Layout, cut, has_numbers, layout_of
from domain.sending.files.spreadsheet import Sheet, is_spreadsheet, write_as_csv
from domain.sending.files.table import PART_BYTES, Upload
from domain.sending.ports import Uploads
from domain.transactions import changing

if TYPE_CHECKING:
    from domain.installation import Installation

_MOST_OTHER_SHEETS = 4
"""Sheets that are read after the first one."""


async def keep_upload(
    installation: Installation, actor: Actor, file: BinaryIO, *, charset: str | None = None
) -> Upload:
    """Stores a file for a day: a CSV file as it is, a sheet of an XLSX file as CSV.

    All or nothing. Raises InvalidFile if it is not a table.
    """
    scope = own_scope(actor)
    if not file.seek(0, 2):
        raise InvalidFile("The file is empty. Check that it was saved.")
    normaliser = installation.normaliser
    with installation.file_limits.temporary_file() as converted:
        async with installation.file_limits.reading_turn(scope.client_id):
            read = partial(read_table, file, converted, normaliser, charset=charset)
            layout, table, sheet = await in_file_thread(read)
        if not layout.rows:
            raise InvalidFile("The file has no rows below its header. Add some.")
        upload = Upload(
            id=new_id(),
            client_id=scope.client_id,
            size=table.seek(0, 2),
            layout=layout,
            hidden_rows=0 if sheet is None else sheet.hidden_rows,
            other_sheets=[] if sheet is None else sheet.others,
        )
        await _store(installation, upload, table)
    return upload


def read_table(
    file: BinaryIO,
    converted: BinaryIO,
    normaliser: Normaliser,
    *,
    charset: str | None = None,
    named: Sequence[str] = (),
) -> tuple[Layout, BinaryIO, Sheet | None]:
    """The layout of a CSV or XLSX file, the file that holds the table as CSV, and its sheet.

    `named`: see `layout_of`; only the first sheet is then read. Raises InvalidFile.
    """
    if not is_spreadsheet(file):
        return layout_of(file, normaliser, charset=charset, named=named), file, None
    sheet = write_as_csv(file, converted)
    if not named and sheet.others and not has_numbers(converted, normaliser):
        found = _read_other_sheet(file, converted, normaliser, len(sheet.others))
        if found is not None:
            return found
        sheet = write_as_csv(file, converted)
    layout = layout_of(converted, normaliser, sheet=sheet.name, named=named)
    _check_results(layout, sheet)
    return layout, converted, sheet


def _check_results(layout: Layout, sheet: Sheet) -> None:
    """Raises InvalidFile if a column of phone numbers has formulas that were never computed."""
    for at, row in sheet.formulas.items():
        name = layout.columns[at] if at < len(layout.columns) else ""
        if at in layout.number_columns or kind_of(name) in PHONES:
            raise InvalidFile(
                f"Row {row} of the sheet “{cut(sheet.name)}” has a formula without a result in the"
                f" column “{cut(name)}”. Open the file in Excel, LibreOffice or Google Sheets, save"
                " it there as .xlsx, and upload that.",
                line=row,
            )


def _read_other_sheet(
    file: BinaryIO, converted: BinaryIO, normaliser: Normaliser, count: int
) -> tuple[Layout, BinaryIO, Sheet] | None:
    """The next sheet with a column of numbers, because the first one has none, such as notes."""
    for position in range(1, min(count, _MOST_OTHER_SHEETS) + 1):
        with suppress(InvalidFile):
            sheet = write_as_csv(file, converted, position)
            if has_numbers(converted, normaliser):
                layout = layout_of(converted, normaliser, sheet=sheet.name)
                if layout.number_columns:
                    _check_results(layout, sheet)
                    return layout, converted, sheet
    return None


@asynccontextmanager
async def opened(
    installation: Installation, scope: OfClient, upload_id: UUID | None
) -> AsyncIterator[tuple[Upload, BinaryIO]]:
    """An upload of the tenant and its bytes, on disk until the block ends.

    `upload_id`: None for an ID that cannot be an upload's. Raises RateLimited, and NotFound: the
    same for an unknown upload, a deleted one and another tenant's.
    """
    upload = await find_upload(installation, scope, upload_id)
    limits = installation.file_limits
    async with limits.reading_turn(scope.client_id):
        with limits.temporary_file() as file:
            await copy_upload(installation.store, upload, file)
            yield upload, file


async def find_upload(
    installation: Installation, scope: OfClient, upload_id: UUID | None
) -> Upload:
    """An upload of the tenant, of the last day. Raises NotFound."""
    if upload_id is None:
        raise _gone()
    try:
        return await installation.store.find_upload(scope, upload_id)
    except NotFound:
        raise _gone() from None


async def copy_upload(store: Uploads, upload: Upload, file: BinaryIO) -> None:
    """Writes the bytes of an upload to a file. Raises NotFound if they have been deleted."""
    scope = OfClient(upload.client_id)
    for position in range(upload.parts):
        part = await store.read_upload_part(scope, upload.id, position)
        if part is None:
            raise _gone()
        await asyncio.to_thread(file.write, part)


async def _store(installation: Installation, upload: Upload, file: BinaryIO) -> None:
    async with changing(installation.store) as tx:
        most = installation.limits.uploads_bytes
        if await installation.store.uploads_size(tx, upload.client_id) + upload.size > most:
            raise InvalidFile(
                f"Your uploads of the last day have more than {most:,} bytes with this one. Each is"
                " deleted after a day: upload this one later."
            )
        await installation.store.write_upload(tx, upload)
        for position, part in enumerate(_parts(file)):
            await installation.store.write_upload_part(tx, upload.id, position, part)


def _parts(file: BinaryIO) -> Iterator[bytes]:
    file.seek(0)
    while part := file.read(PART_BYTES):
        yield part


def _gone() -> NotFound:
    return NotFound("upload: it does not exist, or it is more than a day old")
