"""POST /uploads, over real HTTP: what is kept, for whom, for how long, and what is refused."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from openpyxl import Workbook

from domain import ids
from domain.dispatch.rules import DispatchRules, Observer
from domain.errors import NotFound, RateLimited
from domain.identity.access import OfClient
from domain.ids import Kind
from domain.sending.files.file_limits import FileLimits
from domain.sending.files.table import KEPT_SECONDS, PART_BYTES
from domain.sending.files.uploads import opened
from ibiki.http.middleware import BodyLimit
from ibiki.http.uploads import PATH, Uploads
from ibiki.workers import Workers
from persistence import store
from tests import db
from tests.dispatch.parts import eventually
from tests.ibiki.http_server import RunningServer, running_server
from tests.installations import App, KnownUsers
from tests.persistence.connections import until
from tests.sending.files.files import csv_file, saved, uploaded, xlsx

FILE = b"phone,name\n2025550120,Ada\n2025550121,Bob\n"
LIMIT = BodyLimit(size=3 * PART_BYTES)


@asynccontextmanager
async def upload_server(
    app: App, file_limits: FileLimits | None = None, limit: BodyLimit = LIMIT
) -> AsyncIterator[RunningServer]:
    """A front that takes files for the app."""
    installation = replace(app.installation, file_limits=file_limits or FileLimits())
    routes = Uploads(installation, KnownUsers(app)).routes()
    async with running_server(routes=routes, body_by_path={PATH: limit}) as made:
        yield made


async def post(made: RunningServer, content: Any, who: str | None = "owner", **headers: str) -> Any:
    given = {"content-type": "text/csv"}
    if who is not None:
        given["authorization"] = f"Bearer {who}"
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await made.http.post(PATH, content=content, headers={**given, **named})


async def bytes_of(app: App, upload_id: str, who: str = "owner") -> bytes:
    """The bytes that are stored, as the tenant reads them."""
    actor = app.actor(who)
    assert actor is not None
    assert actor.client_id is not None
    found = ids.decode(Kind.UPLOAD, upload_id)
    async with opened(app.installation, OfClient(actor.client_id), found) as (_, file):
        file.seek(0)
        return file.read()


def refusal(answer: httpx.Response) -> tuple[int, str, str]:
    [error] = answer.json()["errors"]
    return answer.status_code, error["extensions"]["code"], error["message"]


async def kept() -> int:
    [row] = await db.fetch("SELECT count(*) FROM upload")
    [parts] = await db.fetch("SELECT count(DISTINCT upload_id) FROM upload_part")
    assert row == parts
    return int(row["count"])


@pytest.mark.parametrize(
    "content_type",
    [
        "text/csv",
        "TEXT/CSV; charset=utf-8; header=present",
        "text/plain",
        "text/plain; charset=us-ascii",
        "application/vnd.ms-excel",
        "application/octet-stream",
    ],
)
async def test_an_upload_is_kept_and_the_answer_says_how_it_is_read(
    app: App, content_type: str
) -> None:
    async with upload_server(app) as made:
        answer = await post(made, FILE, content_type=content_type)
    assert answer.status_code == 201
    described = answer.json()
    assert described.pop("uploadId").startswith("upl_")
    assert described == {
        "rows": 2,
        "columns": ["phone", "name"],
        "numberColumn": "phone",
        "numberColumns": ["phone"],
        "phoneColumns": ["phone"],
        "problem": None,
        "sheet": None,
        "otherSheets": [],
        "hiddenRows": 0,
    }
    assert await bytes_of(app, answer.json()["uploadId"]) == FILE


async def test_the_answer_says_which_columns_can_be_meant(app: App) -> None:
    async with upload_server(app) as made:
        described = (await post(made, b"Phone 1,Phone 2\n2025550120,2025550121\n")).json()
        unknown = (await post(made, b"who,whereto\nAda,2025550120\n")).json()
    assert (described["numberColumn"], described["numberColumns"]) == (None, ["Phone 1", "Phone 2"])
    assert "“Phone 1” and “Phone 2”" in described["problem"]
    assert (unknown["numberColumn"], unknown["numberColumns"]) == (None, [])


async def test_the_answer_names_all_columns_with_phone_numbers(app: App) -> None:
    header = b"Pupil,Emergency phone,Home phone,Class,Guardian 1 mobile\n"
    async with upload_server(app) as made:
        described = (await post(made, header + b"Ada,2025550121,2025550122,5,2025550123\n")).json()
    assert described["numberColumn"] == "Guardian 1 mobile"
    assert described["phoneColumns"] == ["Emergency phone", "Home phone", "Guardian 1 mobile"]


@pytest.mark.parametrize(
    "content_type",
    [
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "application/vnd.ms-excel",
        "application/octet-stream",
        "text/csv",  # the content decides
    ],
)
async def test_a_spreadsheet_is_kept_as_csv(app: App, content_type: str) -> None:
    content = xlsx([["Name", "Mobile"], ["Zoë", 2025550120], [], ["Bob", "12"]])
    async with upload_server(app) as made:
        described = (await post(made, content, content_type=content_type)).json()
    assert (described["rows"], described["sheet"], described["numberColumn"]) == (
        2,
        "Sheet",
        "Mobile",
    )
    expected = "Name,Mobile\r\nZoë,2025550120\r\n\r\nBob,12\r\n"
    assert await bytes_of(app, described["uploadId"]) == expected.encode()


async def test_what_is_left_out_of_a_spreadsheet_is_named_and_not_kept(app: App) -> None:
    book = Workbook()
    for row in (["Name", "Mobile"], ["Zoë", 2025550120], ["Bob", 2025550121]):
        book.active.append(row)
    book.active.row_dimensions[2].hidden = True
    book.create_sheet("Class 6").append(["Name", "Mobile"])
    async with upload_server(app) as made:
        described = (await post(made, saved(book))).json()
    assert (described["rows"], described["hiddenRows"], described["otherSheets"]) == (
        1,
        1,
        ["Class 6"],
    )
    assert await bytes_of(app, described["uploadId"]) == b"Name,Mobile\r\n\r\nBob,2025550121\r\n"


async def test_a_file_of_several_parts_comes_back_byte_for_byte(app: App) -> None:
    numbers = db.generated_numbers(20_000)
    content = csv_file([["phone", "text"], *([each, "x" * 90] for each in numbers)])
    assert 2 * PART_BYTES < len(content) < LIMIT.size

    async def parts() -> AsyncIterator[bytes]:
        for start in range(0, len(content), 100_000):
            yield content[start : start + 100_000]

    async with upload_server(app) as made:
        described = (await post(made, parts())).json()
    assert described["rows"] == 20_000
    assert await bytes_of(app, described["uploadId"]) == content


@pytest.mark.parametrize(
    ("who", "status", "code"),
    [
        ("direct", 201, None),
        ("sibling", 201, None),
        ("supervisor", 403, "FORBIDDEN"),
        ("admin", 403, "FORBIDDEN"),
        ("nobody", 401, "UNAUTHENTICATED"),
        (None, 401, "UNAUTHENTICATED"),
        ("unavailable", 503, "RATE_LIMITED"),
    ],
)
async def test_only_a_user_with_an_account_can_upload(
    app: App, who: str | None, status: int, code: str | None
) -> None:
    async with upload_server(app) as made:
        answer = await post(made, FILE, who)
    assert answer.status_code == status
    assert (answer.headers.get("www-authenticate") == "Bearer") is (status == 401)
    if code is not None:
        assert refusal(answer)[1] == code
        assert await kept() == 0


@pytest.mark.parametrize(
    ("content", "headers", "status", "words"),
    [
        (b"", {}, 400, "The file is empty"),
        (b"\n\n", {}, 400, "The file is empty"),
        (b"phone,name\n", {}, 400, "no rows below its header"),
        (b'phone,name\n2025550120,"Ada\n', {}, 400, "Line 2: a quote is opened and never closed"),
        (b"PK\x03\x04\0\0\0\0", {}, 400, "This XLSX file is damaged"),
        (b"\xd0\xcf\x11\xe0\0\0\0\0", {}, 400, "This is an old Excel file"),
        (b"BEGIN:VCARD\r\nVERSION:3.0\r\nTEL:2025550120\r\n", {}, 400, "This is a file of vCards"),
        (b"phone\0\n", {}, 400, "Line 1: a NUL character"),
        (b"phone\n\x81\x8d\n", {}, 400, "Line 2: the encoding is unknown"),
        (b"phone\nM\xfcller\n", {"content_type": "text/csv; charset=utf-8"}, 400, "not UTF-8"),
        (FILE, {"content_type": "text/csv; charset=nonsense"}, 400, "is unknown"),
        (FILE, {"content_type": "application/json"}, 415, "Send the file itself"),
        (
            FILE,
            {"content_type": "multipart/form-data; boundary=x"},
            415,
            "without a form around it",
        ),
        (FILE, {"content_type": ""}, 415, "Send the file itself"),
        (FILE, {"content_type": "nonsense"}, 415, "Send the file itself"),
        (FILE, {"content_encoding": "gzip"}, 415, "without a Content-Encoding"),
        (b"x" * (LIMIT.size + 1), {}, 413, "larger than the limit"),
    ],
)
async def test_a_file_that_is_not_a_table_is_refused_and_not_kept(
    app: App, content: bytes, headers: dict[str, str], status: int, words: str
) -> None:
    async with upload_server(app) as made:
        answer = await post(made, content, **headers)
    found, _, message = refusal(answer)
    assert (found, words in message) == (status, True), message
    assert await kept() == 0


async def test_a_body_without_a_length_is_cut_off_at_the_limit(app: App) -> None:
    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b"2025550120\n" * 10_000

    async with upload_server(app) as made:
        try:
            answer = await post(made, endless())
        except httpx.NetworkError:
            pass  # cut while it was still being sent
        else:
            assert answer.status_code == 413
    assert await kept() == 0


async def test_a_body_that_takes_too_long_is_refused(app: App) -> None:
    head = (
        b"POST /uploads HTTP/1.1\r\nhost: x\r\nauthorization: Bearer owner\r\n"
        b"content-type: text/csv\r\ncontent-length: 100\r\n\r\nphone\n"
    )
    async with upload_server(app, limit=replace(LIMIT, seconds=1.0)) as made:
        assert b" 408 " in await made.raw(head)
    assert await kept() == 0


async def test_an_upload_that_breaks_off_leaves_nothing(app: App, tmp_path: Path) -> None:
    file_limits = FileLimits(tmp_path)
    async with upload_server(app, file_limits) as made:
        _, writer = await asyncio.open_connection("127.0.0.1", made.port)
        writer.write(
            b"POST /uploads HTTP/1.1\r\nhost: x\r\nauthorization: Bearer owner\r\n"
            b"content-type: text/csv\r\ncontent-length: 2000000\r\n\r\n" + b"x" * 1_100_000
        )
        await writer.drain()
        await until(lambda: file_limits.arriving.count == 1)
        assert os.listdir(tmp_path) == []  # it has no name while it is worked on
        writer.close()
        await until(lambda: file_limits.arriving.count == 0)
    assert await kept() == 0


async def test_a_failure_while_storing_leaves_nothing(app: App) -> None:
    await db.execute("ALTER TABLE upload_part ADD CONSTRAINT broken CHECK (position < 1)")
    content = b"phone\n" + b"2025550120\n" * (PART_BYTES // 10)
    async with upload_server(app) as made:
        assert (await post(made, content)).status_code == 500
        assert await kept() == 0
        await db.execute("ALTER TABLE upload_part DROP CONSTRAINT broken")
        assert (await post(made, content)).status_code == 201


async def test_the_uploads_of_a_client_are_limited_in_size(app: App) -> None:
    limits = replace(app.installation.limits, uploads_bytes=16_384 + len(FILE))
    cramped = replace(app, installation=replace(app.installation, limits=limits))
    async with upload_server(cramped) as made:
        answers = await asyncio.gather(*(post(made, FILE) for _ in range(4)))
        assert sorted(answer.status_code for answer in answers) == [201, 201, 400, 400]
        assert (await post(made, FILE, "sibling")).status_code == 201
    assert "have more than" in next(a.text for a in answers if a.status_code == 400)


async def test_only_some_files_of_a_client_arrive_at_once(app: App) -> None:
    file_limits = FileLimits(of_one_client=1, arriving_at_once=2)
    client_id = app.owner.client_id
    async with upload_server(app, file_limits) as made:
        with file_limits.arriving_file(client_id):
            answer = await post(made, FILE)
            assert refusal(answer)[:2] == (429, "RATE_LIMITED")
            assert int(answer.headers["retry-after"]) > 0
            assert (await post(made, FILE, "sibling")).status_code == 201
        assert (await post(made, FILE)).status_code == 201


async def test_slow_uploads_do_not_delay_the_reading_of_files(app: App) -> None:
    file_limits = FileLimits(of_one_client=1, arriving_at_once=2, read_at_once=1)
    client_id = app.owner.client_id
    async with upload_server(app, file_limits) as made:
        with file_limits.arriving_file(app.sibling.client_id):
            assert (await post(made, FILE)).status_code == 201
        async with file_limits.reading_turn(client_id):
            waiting = asyncio.create_task(post(made, FILE))
            await until(lambda: file_limits.reading.count == 2)
            with pytest.raises(RateLimited):
                async with file_limits.reading_turn(client_id):
                    pass
            assert not waiting.done()
        assert (await waiting).status_code == 201
        assert file_limits.reading.count == 0


async def test_an_upload_is_found_by_its_tenant_for_a_day(app: App) -> None:
    async with upload_server(app) as made:
        upload_id = (await post(made, FILE)).json()["uploadId"]
    with pytest.raises(NotFound) as foreign:
        await bytes_of(app, upload_id, "sibling")
    await db.execute("UPDATE upload SET created_at = now() - interval '23:59'")
    assert await store.purge_uploads(age_seconds=KEPT_SECONDS, most=10) == 0
    assert await bytes_of(app, upload_id) == FILE
    await db.execute("UPDATE upload SET created_at = now() - interval '24:01'")
    with pytest.raises(NotFound) as gone:
        await bytes_of(app, upload_id)
    assert str(foreign.value) == str(gone.value)
    assert await store.purge_uploads(age_seconds=KEPT_SECONDS, most=10) == 1
    assert await db.fetch("SELECT FROM upload_part") == []


async def test_the_workers_delete_uploads_after_a_day(app: App) -> None:
    old = await uploaded(app.installation, app.owner.actor, FILE)
    young = await uploaded(app.installation, app.owner.actor, FILE)
    await db.execute(
        "UPDATE upload SET created_at = now() - interval '24:01' WHERE id = $1", old.id
    )
    installation = app.installation
    workers = Workers(
        store,
        installation.providers,
        installation.receiver,
        rules=DispatchRules(),
        observer=Observer(),
    )
    workers.start()
    try:
        await eventually(lambda: _is_alone(young.id))
    finally:
        await workers.stop()


async def _is_alone(upload_id: UUID) -> bool:
    rows = await db.fetch("SELECT upload_id FROM upload_part")
    return [row["upload_id"] for row in rows] == [upload_id]


async def test_an_upload_that_is_deleted_while_it_is_read_is_not_found(app: App) -> None:
    async with upload_server(app) as made:
        upload_id = (await post(made, FILE)).json()["uploadId"]
    await db.execute("DELETE FROM upload_part")
    with pytest.raises(NotFound, match="more than a day old"):
        await bytes_of(app, upload_id)


async def test_get_is_not_allowed(app: App) -> None:
    async with upload_server(app) as made:
        assert (await made.http.get(PATH)).status_code == 405
        assert json.loads((await made.http.get(f"{PATH}/x")).text)["errors"]
