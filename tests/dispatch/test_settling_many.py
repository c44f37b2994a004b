"""Settling many UNKNOWN messages at once, and the file to compare with the provider's log."""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from domain import ids
from domain.dispatch import settle
from domain.dispatch.messages import UnknownFilter, UnknownTotal
from domain.dispatch.settle import export_unknowns, preview_unknowns, settle_unknowns
from domain.errors import Forbidden, InvalidInput, NotFound
from domain.ids import Kind, new_id
from domain.provider import Accepted, Unknown
from ibiki.http.csv_files import safe_cell
from ibiki.http.exports import UNKNOWN_COLUMNS, UNKNOWNS_PATH, Exports
from persistence import store
from tests import db
from tests.dispatch.parts import answered, lease_passes, marked
from tests.end_to_end.program import run
from tests.ibiki.hostile import NameAuthenticator
from tests.ibiki.http_server import running_server

pytestmark = pytest.mark.usefixtures("connected")

ALL = UnknownFilter()
NOTE = "The provider's log says so."


@pytest.fixture
async def pool() -> db.Pool:
    return await db.add_pool(held=10_000)


async def unknown(tenant: db.Tenant, count: int = 1, **given: Any) -> UUID:
    """A send of the tenant's whose messages are all UNKNOWN. Its ID."""
    send = await db.accept(tenant, count, **given)
    for call in await marked(tenant.pool):
        await answered(tenant.pool, call, Unknown("no answer"))
    return send.id


async def settled(wanted: UnknownFilter, *, taken: bool) -> int:
    """How many messages were settled."""
    result = await settle_unknowns(store, db.ADMIN, wanted, taken=taken, note=NOTE)
    assert not result.dry_run
    assert result.remaining == 0
    return result.messages


def soon() -> datetime:
    """After every attempt so far."""
    return datetime.now(UTC) + timedelta(seconds=1)


async def test_a_dry_run_counts_by_unit_and_changes_nothing(pool: db.Pool) -> None:
    await unknown(await db.add_client(pool), 3)
    await unknown(await db.add_school(price=50), 2)
    preview = await preview_unknowns(store, db.ADMIN, ALL)
    assert preview.dry_run
    assert (preview.messages, preview.remaining) == (5, 5)
    assert preview.totals == [UnknownTotal("UGX", 2, 100), UnknownTotal("credit", 3, 3)]
    assert abs(preview.attempted_before - datetime.now(UTC)) < timedelta(minutes=1)
    assert await db.statuses() == {"UNKNOWN": 5}


@pytest.mark.parametrize(("taken", "status", "held"), [(True, "SENT", 5), (False, "REJECTED", 10)])
async def test_settled_messages_are_sent_or_refunded_once(
    pool: db.Pool, taken: bool, status: str, held: int
) -> None:
    client = await db.add_client(pool, held=10)
    await unknown(client, 5)
    preview = await preview_unknowns(store, db.ADMIN, ALL)
    wanted = replace(ALL, attempted_before=preview.attempted_before)
    result = await settle_unknowns(store, db.ADMIN, wanted, taken=taken, note=f" {NOTE} ")
    assert (result.messages, result.totals) == (5, [UnknownTotal("credit", 5, 5)])
    assert await settled(wanted, taken=not taken) == 0
    assert await db.statuses() == {status: 5}
    assert await db.held(client.account_id) == held
    refunds = await db.fetch("SELECT amount, actor_id FROM transfer WHERE kind = 'REFUND'")
    assert refunds == ([] if taken else [{"amount": 5, "actor_id": db.ADMIN.user_id}])
    [attempt] = await db.fetch("SELECT detail FROM attempt")
    assert attempt["detail"].endswith(f"Messages settled as {status} by {db.ADMIN.user_id}: {NOTE}")
    await db.assert_audit_holds()


async def test_many_are_settled_in_pages_over_several_provider_accounts(
    pool: db.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settle, "PAGE", 3)
    clients = [await db.add_client(pool, name=name) for name in ("A", "B")]
    school = await db.add_school(price=50)
    for tenant in (*clients, school):
        await unknown(tenant, 7)
    result = await settle_unknowns(
        store, db.ADMIN, UnknownFilter(attempted_before=soon()), taken=False, note=NOTE
    )
    assert sorted(result.totals, key=lambda each: each.unit) == [
        UnknownTotal("UGX", 7, 350),
        UnknownTotal("credit", 14, 14),
    ]
    assert (result.messages, result.remaining) == (21, 0)
    assert await db.statuses() == {"REJECTED": 21}
    await db.assert_audit_holds()


async def test_a_filter_leaves_all_others_alone(pool: db.Pool) -> None:
    one, other = [await db.add_client(pool, name=name) for name in ("A", "B")]
    first, second = await unknown(one, 2), await unknown(one, 3)
    await unknown(other, 4)
    [moment] = await db.fetch(
        "SELECT max(started_at) AS at FROM attempt JOIN message ON attempt_id = attempt.id"
        " WHERE send_id = $1",
        second,
    )
    cases = [
        (UnknownFilter(send_id=first), 2),
        (UnknownFilter(client_id=one.client_id), 5),
        (UnknownFilter(send_id=first, client_id=other.client_id), 0),
        (UnknownFilter(attempted_before=moment["at"]), 2),
    ]
    for wanted, expected in cases:
        preview = await preview_unknowns(store, db.ADMIN, wanted)
        assert preview.messages == expected, wanted
    wanted = UnknownFilter(client_id=one.client_id, attempted_before=moment["at"])
    assert await settled(wanted, taken=True) == 2
    assert await db.statuses() == {"SENT": 2, "UNKNOWN": 7}


async def test_a_message_that_becomes_unknown_later_is_not_settled(pool: db.Pool) -> None:
    client = await db.add_client(pool)
    await unknown(client)
    preview = await preview_unknowns(store, db.ADMIN, ALL)
    await unknown(client)
    wanted = replace(ALL, attempted_before=preview.attempted_before)
    assert await settled(wanted, taken=False) == 1
    assert await db.statuses() == {"REJECTED": 1, "UNKNOWN": 1}


async def test_only_unknown_messages_are_settled(pool: db.Pool) -> None:
    client = await db.add_client(pool)
    await db.accept(client, 2)
    await marked(pool)
    await db.accept(client, 3)
    assert await settled(UnknownFilter(attempted_before=soon()), taken=False) == 0
    assert await db.statuses() == {"SUBMITTING": 2, "QUEUED": 3}


async def test_late_answers_and_two_people_at_once_refund_once(pool: db.Pool) -> None:
    client = await db.add_client(pool, held=60)
    await db.accept(client, 60)
    calls = await marked(pool, batch=6)
    for call in calls:
        await lease_passes(call)
    wanted = UnknownFilter(attempted_before=soon())
    results = await asyncio.gather(
        *(settle_unknowns(store, db.ADMIN, wanted, taken=False, note=NOTE) for _ in range(2)),
        *(answered(pool, call, Accepted("ref")) for call in calls[:5]),
    )
    counts = await db.statuses()
    assert counts.get("SENT", 0) + counts["REJECTED"] == 60
    assert sum(each.messages for each in results if each is not None) == counts["REJECTED"]
    assert await db.held(client.account_id) == counts["REJECTED"]
    await db.assert_audit_holds()


async def test_a_call_that_takes_too_long_says_how_many_are_left(
    pool: db.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    await unknown(await db.add_client(pool), 4)
    monkeypatch.setattr(settle, "SETTLE_SECONDS", 0.0)
    wanted = UnknownFilter(attempted_before=soon())
    result = await settle_unknowns(store, db.ADMIN, wanted, taken=True, note=NOTE)
    assert (result.messages, result.remaining) == (0, 4)


async def test_settling_many_is_refused_without_the_right_a_filter_or_a_note(
    pool: db.Pool,
) -> None:
    client = await db.add_client(pool)
    before = UnknownFilter(attempted_before=soon())
    with pytest.raises(Forbidden):
        await preview_unknowns(store, client.actor, ALL)
    with pytest.raises(Forbidden):
        await settle_unknowns(store, client.actor, before, taken=True, note=NOTE)
    with pytest.raises(InvalidInput, match="attemptedBefore is required"):
        await settle_unknowns(store, db.ADMIN, ALL, taken=True, note=NOTE)
    with pytest.raises(InvalidInput, match="`note` is required"):
        await settle_unknowns(store, db.ADMIN, before, taken=True, note=" ")
    for wanted in (UnknownFilter(send_id=new_id()), UnknownFilter(client_id=new_id())):
        with pytest.raises(NotFound):
            await preview_unknowns(store, db.ADMIN, wanted)


# The export


@asynccontextmanager
async def exporting(client: db.Tenant) -> AsyncIterator[Any]:
    """Asks for the file as the user with this name, with a query."""
    users = NameAuthenticator({"admin": db.ADMIN, "client": client.actor})
    async with running_server(routes=Exports(store, users).routes()) as made:

        async def ask(who: str | None, query: str = "") -> Any:
            headers = {"authorization": f"Bearer {who}"} if who else {}
            return await made.http.get(f"{UNKNOWNS_PATH}{query}", headers=headers)

        yield ask


async def test_the_file_holds_every_unknown_message_once(
    pool: db.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settle, "PAGE", 4)
    client = await db.add_client(pool, name='=HYPERLINK("http://x")')
    send_id = await unknown(client, 12, text='+1, "or"\nmore')
    await db.accept(client, 2)
    async with exporting(client) as ask:
        answer = await ask("admin")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert "unknown-messages.csv" in answer.headers["content-disposition"]
    rows = list(csv.DictReader(io.StringIO(answer.text, newline="")))
    found = await db.fetch("SELECT id, number FROM message WHERE status = 'UNKNOWN'")
    assert sorted(row["message_id"] for row in rows) == sorted(
        ids.encode(Kind.MESSAGE, each["id"]) for each in found
    )
    assert {f"+{row['number']}" for row in rows} == {each["number"] for each in found}
    [first, *_] = rows
    assert tuple(first) == UNKNOWN_COLUMNS
    assert first["send_id"] == ids.encode(Kind.SEND, send_id)
    assert first["client"] == '\'=HYPERLINK("http://x")'
    assert first["text"] == '\'+1, "or"\nmore'
    assert (first["charged"], first["unit"], first["provider"]) == ("1", "credit", "extreme")
    assert first["detail"] == "no answer"


async def test_the_file_takes_the_same_filter(pool: db.Pool) -> None:
    client = await db.add_client(pool)
    send_id = await unknown(client, 2)
    await unknown(client, 3)
    async with exporting(client) as ask:
        for query, expected in (
            (f"?sendId={ids.encode(Kind.SEND, send_id)}", 2),
            (f"?clientId={ids.encode(Kind.CLIENT, client.client_id)}", 5),
            ("?attemptedBefore=2020-01-01T00:00:00Z", 0),
            ("?attemptedBefore=2020-01-01T00:00:00+03:00", 0),  # the plus arrives as a blank
        ):
            assert len((await ask("admin", query)).text.splitlines()) == 1 + expected


@pytest.mark.parametrize(
    ("who", "query", "status"),
    [
        (None, "", 401),
        ("stranger", "", 401),
        ("client", "", 403),
        ("unavailable", "", 503),
        ("admin", f"?sendId={ids.encode(Kind.SEND, UUID(int=7))}", 404),
        ("admin", "?sendId=nonsense", 404),
        ("admin", "?attemptedBefore=yesterday", 400),
        ("admin", "?attemptedBefore=9999-12-31T23:59:59-14:00", 400),
        ("admin", "?attemptedBefore=2026-11-20T08:30:00", 400),
        ("admin", "?send=1", 400),
    ],
)
async def test_a_request_for_the_file_is_refused(
    pool: db.Pool, who: str | None, query: str, status: int
) -> None:
    async with exporting(await db.add_client(pool)) as ask:
        answer = await ask(who, query)
    assert answer.status_code == status
    assert answer.json()["errors"][0]["message"]


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "＝"])
def test_no_cell_is_read_as_a_formula(start: str) -> None:
    assert safe_cell(f"{start}1+1") == f"'{start}1+1"


def test_other_cells_stay_as_they_are() -> None:
    assert [safe_cell(each) for each in ("", "Ann", "1-2", "a=b")] == ["", "Ann", "1-2", "a=b"]


async def test_the_command_prints_the_same_file(
    connected: str, pool: db.Pool, tmp_path: Path
) -> None:
    client = await db.add_client(pool)
    send_id = await unknown(client, 2)
    given = {"DATABASE_URL": connected, "IBIKI_DATA": str(tmp_path)}
    send = ids.encode(Kind.SEND, send_id)
    ended = await asyncio.to_thread(run, "export-unknowns", "--send", send, **given)
    assert (ended.returncode, ended.stderr) == (0, "")
    rows = list(csv.DictReader(io.StringIO(ended.stdout)))
    assert [row["send_id"] for row in rows] == [send, send]
    named = await db.fetch("SELECT name FROM client WHERE id = $1", client.payer.client_id)
    by_name = await asyncio.to_thread(run, "export-unknowns", "--client", named[0]["name"], **given)
    assert by_name.stdout == ended.stdout


@pytest.mark.parametrize(
    ("option", "value", "code", "message"),
    [
        ("--before", "soon", 2, "--before must be a time such as 2026-11-20T08:30:00Z."),
        ("--client", "nobody", 1, "No client “nobody”."),
        ("--send", ids.encode(Kind.SEND, UUID(int=1)), 1, "No such send."),
    ],
)
async def test_a_wrong_option_prints_no_header(
    connected: str, tmp_path: Path, option: str, value: str, code: int, message: str
) -> None:
    given = {"DATABASE_URL": connected, "IBIKI_DATA": str(tmp_path)}
    ended = await asyncio.to_thread(run, "export-unknowns", option, value, **given)
    assert (ended.returncode, ended.stdout) == (code, "")
    assert ended.stderr.startswith(message)


async def test_an_export_is_for_admins_only(pool: db.Pool) -> None:
    client = await db.add_client(pool)
    with pytest.raises(Forbidden):
        await anext(export_unknowns(store, client.actor, ALL))
