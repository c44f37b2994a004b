"""100,000 rows: in limited time and memory, while other requests are answered."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable
from dataclasses import replace
from functools import partial
from io import BytesIO
from typing import TypeVar

import pytest

from domain.inbox.contact_columns import contact_columns_of
from domain.inbox.contact_import import import_contacts, read_cards
from domain.installation import RequestLimits
from domain.sending.csv_order import CsvOrder
from domain.sending.csv_send import csv_send
from domain.sending.files.layout import layout_of
from domain.sending.files.uploads import keep_upload
from domain.sending.messages import Send
from tests import db
from tests.installations import App
from tests.sending.files.files import NORMALISER, csv_file, less_memory_than

ROWS = 100_000
MEBIBYTE = 1024 * 1024
Result = TypeVar("Result")


@pytest.fixture(scope="module")
def large_file() -> bytes:
    """100,000 numbers with names, in 20 MB: most of it is a column that nothing reads."""
    rows = (
        [number, f"Name {at}", "x" * 180] for at, number in enumerate(db.generated_numbers(ROWS))
    )
    return csv_file([["phone", "name", "note"], *rows])


async def with_pauses(work: Awaitable[Result]) -> tuple[Result, float]:
    """The result of the work, and the longest time for which no other task ran.

    In seconds of CPU of the event loop's thread: they do not depend on what else the machine does.
    """
    task = asyncio.ensure_future(work)
    longest, before = 0.0, time.thread_time()
    while not task.done():
        await asyncio.sleep(0.001)
        longest, before = max(longest, (now := time.thread_time()) - before), now
    return await task, longest


async def test_100_000_rows_are_uploaded_sent_to_and_imported_while_others_are_answered(
    app: App, large_file: bytes
) -> None:
    installation = replace(app.installation, limits=RequestLimits())
    await db.open_with(app.owner.account_id, ROWS)
    actor = app.owner.actor
    upload, pause = await with_pauses(keep_upload(installation, actor, BytesIO(large_file)))
    assert (upload.layout.rows, pause < 1) == (ROWS, True), pause
    order = CsvOrder(text="Dear {{name}}, good morning.")
    sent: Send
    sent, pause = await with_pauses(csv_send(installation, actor, upload.id, order, key=None))
    assert (sent.accepted, sent.rejected_count, pause < 1) == (ROWS, 0, True), pause
    imported, pause = await with_pauses(import_contacts(installation, actor, upload.id))
    assert (imported.created, imported.updated, pause < 1) == (ROWS, 0, True), pause
    assert await db.held(app.owner.account_id) == 100
    assert await db.statuses(sent.id) == {"QUEUED": ROWS}


def test_a_file_is_read_in_much_less_memory_than_its_size(large_file: bytes) -> None:
    file = BytesIO(large_file * 2)
    with less_memory_than(8 * MEBIBYTE):
        layout = layout_of(file, NORMALISER)
    assert layout.rows == 2 * ROWS + 1  # the second header is a row like any other


def test_wide_rows_are_not_in_memory_at_once() -> None:
    """Each of them has 80,000 cells and takes some megabytes."""
    wide = ",".join(["2025550120", *["ab"] * 80_000])
    lines = ["phone,name", *["2025550120,Ada"] * 250, *[wide] * 16]
    file = BytesIO("\n".join(lines).encode())
    layout = layout_of(file, NORMALISER)
    columns = contact_columns_of(layout)
    with less_memory_than(32 * MEBIBYTE):
        cards, rejected = read_cards(file, layout, columns, NORMALISER)
    assert ([card.name for card in cards], len(rejected)) == (["Ada"], 249 + 16)


def test_cards_take_memory_only_for_what_is_imported(large_file: bytes) -> None:
    file = BytesIO(large_file)
    layout = layout_of(file, NORMALISER)
    read = partial(read_cards, file, layout, contact_columns_of(layout), NORMALISER)
    with less_memory_than(64 * MEBIBYTE):
        cards, rejected = read()
    assert (len(cards), rejected) == (ROWS, [])
