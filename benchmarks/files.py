"""Files of 100,000 recipients: uploaded, sent to and imported, on a durable database."""

from __future__ import annotations

import asyncio
import os
import tempfile
from dataclasses import replace
from typing import BinaryIO, cast

from benchmarks.databases import new_database, peak_mib
from benchmarks.measurement import Measurement, timed
from domain.inbox.contact_import import import_contacts
from domain.installation import RequestLimits
from domain.sending.csv_order import CsvOrder
from domain.sending.csv_send import csv_send
from domain.sending.files.uploads import keep_upload
from tests import db
from tests.installations import running_app

ROWS = 100_000
LARGE_BYTES = 97_000_000


def main() -> list[Measurement]:
    """Seconds for each step, how long others wait meanwhile, and the memory that it takes."""
    with new_database() as made:
        return asyncio.run(measured(made.url))


async def measured(url: str) -> list[Measurement]:
    """The figures, on a database with only a few users."""
    async with running_app(url) as app:
        installation, owner = replace(app.installation, limits=RequestLimits()), app.owner
        await db.open_with(owner.account_id, ROWS)
        with file_of(0) as small, file_of(LARGE_BYTES) as large:
            upload, keeping = await timed(keep_upload(installation, owner.actor, small))
            taken = peak_mib(os.getpid())
            _, large_keeping = await timed(keep_upload(installation, owner.actor, large))
            peak = taken()
        order = CsvOrder(text="Dear {{name}}, there is no school today.")
        _, sending = await timed(csv_send(installation, owner.actor, upload.id, order, key=None))
        _, importing = await timed(import_contacts(installation, owner.actor, upload.id))
        _, again = await timed(import_contacts(installation, owner.actor, upload.id))
    return [
        Measurement("uploading 100,000 rows in 3 MB", keeping, "s"),
        Measurement("uploading 100,000 rows in 97 MB", large_keeping, "s", at_most=15),
        Measurement("memory that 97 MB took", peak, "MiB", at_most=50),
        Measurement("csvSend of 100,000 rows, a text each", sending, "s", at_most=15),
        Measurement("importing 100,000 contacts", importing, "s", at_most=15),
        Measurement("importing them again", again, "s"),
    ]


def file_of(size: int) -> BinaryIO:
    """A file of 100,000 numbers and names that has at least this many bytes."""
    file = tempfile.TemporaryFile()  # noqa: SIM115 - the caller closes it
    file.write(b"phone,name,note\n")
    note = "x" * max(0, size // ROWS - 26)
    for at, number in enumerate(db.generated_numbers(ROWS)):
        file.write(f"{number},Name {at},{note}\n".encode())
    return cast(BinaryIO, file)
