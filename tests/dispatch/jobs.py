"""What tests of jobs share: small files that become jobs, and writers of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from uuid import UUID

import pytest

from domain.dispatch.jobs import JobWriter
from domain.installation import Installation, RequestLimits
from domain.sending import file_job
from domain.sending.csv_order import CsvOrder
from domain.sending.csv_send import csv_send
from domain.sending.messages import Send
from tests import db
from tests.installations import App
from tests.sending.files.files import csv_file, uploaded

PART = 10
ROWS = 45
ORDER = CsvOrder(text="Dear {{name}}")
AS_JOB = RequestLimits(rows_at_once=1)


@contextmanager
def small_parts(*, process_from: int = file_job.PROCESS_FROM) -> Iterator[None]:
    """Parts of ten rows. Writers use the size that the job was accepted with.

    `process_from`: files of this many rows are read in a separate process.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(file_job, "PART_ROWS", PART)
        patch.setattr(file_job, "PROCESS_FROM", process_from)
        yield


def a_file(rows: int = ROWS) -> bytes:
    """One name and number in each row."""
    numbers = db.generated_numbers(rows)
    return csv_file([["phone", "name"], *([each, f"N{at}"] for at, each in enumerate(numbers))])


def as_jobs(app: App) -> Installation:
    """The installation, in which each file becomes a job."""
    return replace(app.installation, limits=AS_JOB)


async def accepted(
    app: App, content: bytes | None = None, order: CsvOrder = ORDER, *, key: str | None = None
) -> Send:
    """A job of the client `owner`. None of it is written."""
    actor = app.owner.actor
    upload = await uploaded(app.installation, actor, content or a_file())
    with small_parts():
        return await csv_send(as_jobs(app), actor, upload.id, order, key=key)


async def written_to_the_end(by: JobWriter) -> None:
    """Writes until there is nothing to do."""
    while await by.step():
        pass


async def texts(send_id: UUID) -> Sequence[tuple[str, str]]:
    """The numbers and texts of the messages, in order."""
    rows = await db.fetch(
        "SELECT number, coalesce(message.text, send.text) AS text FROM message"
        " JOIN send ON send.id = send_id WHERE send_id = $1 ORDER BY message.id",
        send_id,
    )
    return [(row["number"], row["text"]) for row in rows]


def expected(rows: int = ROWS) -> Sequence[tuple[str, str]]:
    """The same for the whole of `a_file`."""
    return [(each, f"Dear N{at}") for at, each in enumerate(db.generated_numbers(rows))]
