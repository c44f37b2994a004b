"""Files that become jobs: charged at once, written in parts, once, whatever happens."""

from __future__ import annotations

import asyncio
import random
import signal
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from domain.dispatch.cancel import cancel_send
from domain.dispatch.jobs import FAILED, JobRules, JobStage
from domain.dispatch.restored import doubt_queued
from domain.errors import InvalidText, NoValidRecipients, Refusal
from domain.identity.access import Everything, OfClient
from domain.inbox.capture import capture_contacts
from domain.installation import RequestLimits
from domain.sending.csv_order import CsvOrder
from domain.sending.csv_send import CsvQuote, csv_send, quote_csv
from domain.sending.messages import LATER, MessageStatus, Send
from persistence import store
from tests import db
from tests.dispatch.job_program import RULES, writer
from tests.dispatch.jobs import (
    AS_JOB,
    ORDER,
    PART,
    ROWS,
    a_file,
    accepted,
    as_jobs,
    expected,
    small_parts,
    texts,
    written_to_the_end,
)
from tests.installations import App
from tests.retention.old import assert_proven
from tests.sending.files.files import csv_file, uploaded

QUEUED, CANCELLED = MessageStatus.QUEUED, MessageStatus.CANCELLED
SPELLINGS = ["(202) 555-0101", "2025550101", "+12025550102", "12", "", "202 555 0103", "0103,x"]


async def unwritten() -> int:
    [job] = await db.fetch("SELECT unwritten FROM send_job")
    return int(job["unwritten"])


async def counts(send: Send) -> dict[MessageStatus, int]:
    return dict((await store.find_send(Everything(), send.id)).counts)


async def test_each_part_that_is_written_is_a_part_of_the_queue(app: App) -> None:
    send = await accepted(app)
    await written_to_the_end(writer())
    rows = await db.fetch("SELECT first_id, last_id FROM queued_part ORDER BY first_id")
    places = [tuple(each.int - send.id.int for each in row.values()) for row in rows]
    assert places == [(at, min(at + PART - 1, ROWS)) for at in range(1, ROWS + 1, PART)]
    assert await db.fetch("SELECT FROM message WHERE in_part IS NULL") == []


async def test_a_file_is_charged_at_once_and_written_in_parts(app: App) -> None:
    send = await accepted(app, key="a job")
    assert (send.accepted, send.counts, send.charged) == (ROWS, {QUEUED: ROWS}, ROWS)
    assert await db.held(app.owner.account_id) == 100 - ROWS
    own, at_each_commit = writer(), []
    while await own.step():
        at_each_commit.append(await unwritten())
        assert await counts(send) == {QUEUED: ROWS}
        await db.assert_audit_holds()
    assert at_each_commit == [35, 25, 15, 5, 0]
    assert await texts(send.id) == expected()
    [row] = await db.fetch(
        "SELECT count(DISTINCT message.created_at) AS times, min(message.created_at) ="
        " min(send.created_at) AS same FROM message JOIN send ON send.id = send_id"
    )
    assert row == {"times": 1, "same": True}
    [charge] = await db.fetch("SELECT amount FROM transfer WHERE kind = 'SEND'")
    assert charge == {"amount": ROWS}


async def test_a_key_is_repeated_while_the_job_is_written_and_after_it(app: App) -> None:
    send = await accepted(app, key="k")
    [upload] = await db.fetch("SELECT id FROM upload")
    own = writer()
    for _ in range(2):
        again = await csv_send(as_jobs(app), app.owner.actor, upload["id"], ORDER, key="k")
        assert (again.id, again.counts) == (send.id, {QUEUED: ROWS})
        await written_to_the_end(own)
    assert await db.held(app.owner.account_id) == 100 - ROWS


async def either_way(
    app: App, content: bytes, order: CsvOrder, *, process_from: int
) -> tuple[list[object], list[object]]:
    """What a file leads to: as a send like others, and as a job."""
    actor = app.owner.actor
    upload = await uploaded(app.installation, actor, content)
    results: list[list[object]] = []
    for installation in (app.installation, as_jobs(app)):
        answers: list[object] = []
        before = await db.held(app.owner.account_id)
        quote: CsvQuote | None = None
        with small_parts(process_from=process_from if installation.limits is AS_JOB else ROWS):
            try:
                quote = await quote_csv(installation, actor, upload.id, order)
                send = await csv_send(installation, actor, upload.id, order, key=None)
            except Refusal as refusal:
                rejected = getattr(refusal, "rejected", None)
                answers = [type(refusal), str(refusal), rejected, refusal.path]
            else:
                await written_to_the_end(writer())
                answers = [send.accepted, send.rejected, send.rejected_count, send.columns]
                answers += [await texts(send.id), send.held, send.held_until, send.send_at]
        problem = quote and (type(quote.problem), str(quote.problem))
        answers += [quote and replace(quote, problem=None, balance=0), problem]
        answers.append(before - await db.held(app.owner.account_id))
        results.append(answers)
    return results[0], results[1]


async def test_a_job_accepts_and_rejects_what_other_sends_do(app: App) -> None:
    await db.open_with(app.owner.account_id, 10_000)
    await db.opt_out(app.owner.client_id, "+12025550102")
    chance = random.Random(7)
    orders = [
        ORDER,
        CsvOrder(text="One text"),
        CsvOrder(text_column="note"),
        CsvOrder(text="{{name}}{{note}}", allow_missing_values=True),
        CsvOrder(text="{{nobody}}"),
        CsvOrder(text="x" * 2_000),
        CsvOrder(text="later", send_at=datetime(2020, 1, 1, tzinfo=UTC)),
        CsvOrder(text="later", send_at=datetime.now(UTC).replace(microsecond=0) + timedelta(1)),
    ]
    for at in range(24):
        rows = [
            [chance.choice(SPELLINGS), chance.choice(["Ada", "", "\x07" * (at > 18)]), "note"]
            for _ in range(chance.choice([1, 9, 10, 31]))
        ]
        content = csv_file([["phone", "name", "note"], *rows, ["12", "x", "y"]])
        # A process takes a quarter of a second to start: one text for all, one that is refused.
        process_from = 1 if at in (9, 19) else ROWS
        order = orders[at % len(orders)]
        alone, as_job = await either_way(app, content, order, process_from=process_from)
        assert alone == as_job, at
    await db.assert_audit_holds()


async def test_a_file_without_valid_numbers_and_one_that_is_too_large_are_refused(app: App) -> None:
    with pytest.raises(NoValidRecipients):
        await accepted(app, b"phone\n12\n13\n", CsvOrder(text="a"))
    with pytest.raises(InvalidText):
        await accepted(app, order=CsvOrder(text=""))
    small = replace(app.installation, limits=RequestLimits(rows_at_once=1, rows=ROWS - 1))
    upload = await uploaded(app.installation, app.owner.actor, a_file())
    with pytest.raises(Refusal, match="At most 44"):
        await csv_send(small, app.owner.actor, upload.id, ORDER, key=None)
    assert await db.fetch("SELECT FROM send") == []


@pytest.mark.parametrize(
    ("stage", "times", "left"),
    [
        (JobStage.CLAIMED, 1, 45),
        (JobStage.COPIED, 1, 45),
        (JobStage.LOCKED, 2, 35),
        (JobStage.WRITING, 2, 35),
        (JobStage.WRITTEN, 2, 25),
    ],
)
async def test_another_process_continues_after_a_writer_was_killed(
    app: App, database_url: str, stage: JobStage, times: int, left: int
) -> None:
    send = await accepted(app)
    program = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.dispatch.job_program", database_url, stage.value, str(times)
    )
    assert await program.wait() == -signal.SIGKILL
    assert await unwritten() == left
    await db.assert_audit_holds()
    async with asyncio.timeout(60):
        own = writer()
        while await unwritten():
            if not await own.step():
                await asyncio.sleep(0.05)  # until the lease has ended
    assert await texts(send.id) == expected()
    await db.assert_audit_holds()


async def test_two_processes_never_write_the_same_job(app: App) -> None:
    send = await accepted(app)
    first, second = writer(), writer()
    assert await first.step()
    assert not await second.step()
    await db.execute("UPDATE send_job SET claimed_until = now() - interval '1 s'")
    assert await second.step()  # as if the first one was suspended
    assert not await first.step()
    racing = [writer(rules=replace(RULES, lease_seconds=0.0)) for _ in range(3)]
    async with asyncio.timeout(60):
        while await unwritten():
            await asyncio.gather(*(each.step() for each in racing))
    assert await texts(send.id) == expected()
    await db.assert_audit_holds()


async def test_a_process_that_loses_its_job_while_it_prepares_a_part_writes_nothing(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    send = await accepted(app)
    first, second = writer(), writer()
    find = store.find_opted_out

    async def overtaken(client_id: UUID, numbers: Sequence[str]) -> set[str]:
        monkeypatch.setattr(store, "find_opted_out", find)
        await db.execute("UPDATE send_job SET claimed_until = now() - interval '1 s'")
        assert await second.step()
        return await find(client_id, numbers)

    monkeypatch.setattr(store, "find_opted_out", overtaken)
    assert not await first.step()
    assert await unwritten() == ROWS - PART
    await written_to_the_end(second)
    assert await texts(send.id) == expected()


async def test_nothing_is_written_after_a_cancel_and_exactly_the_rest_is_refunded(app: App) -> None:
    for steps in (0, 1, 3):
        send = await accepted(app)
        own = writer()
        for _ in range(steps):
            await own.step()
        writing = asyncio.create_task(written_to_the_end(own))
        cancels = [cancel_send(store, app.owner.actor, send.id) for _ in range(2)]
        one, other = await asyncio.gather(*cancels)
        await writing
        assert one.counts == other.counts == {CANCELLED: ROWS}
        assert await db.held(app.owner.account_id) == 100
        messages = await texts(send.id)
        assert len(messages) % PART == 0 or len(messages) == ROWS
        assert await own.step() is False
        assert len(await texts(send.id)) == len(messages)
        await db.assert_audit_holds()


async def test_a_writer_stays_a_limited_number_of_messages_ahead(app: App) -> None:
    send = await accepted(app)
    own = writer(rules=JobRules(waiting=15, open_at_once=1))
    await written_to_the_end(own)
    assert len(await texts(send.id)) == 20
    await db.execute(
        "UPDATE message SET status = 'SENT', attempt_id = id WHERE id IN"
        " (SELECT id FROM message ORDER BY id LIMIT 12)"
    )
    await written_to_the_end(own)
    assert len(await texts(send.id)) == 30
    # Another job comes next, and not after all of this one.
    other = await accepted(app, a_file(8))
    await own.step()
    await own.step()
    assert len(await texts(other.id)) == 8


@pytest.mark.parametrize("is_later", [False, True])
async def test_the_rest_of_a_file_is_unknown_after_a_restore(app: App, *, is_later: bool) -> None:
    """A part that is not written in the restored database may have been written and sent since."""
    order = replace(ORDER, send_at=datetime.now(UTC) + timedelta(hours=1)) if is_later else ORDER
    send = await accepted(app, order=order)
    before = writer(rules=replace(RULES, lease_seconds=60))
    await before.step()
    status, due = ("QUEUED", 0) if is_later else ("UNKNOWN", ROWS)
    assert await store.count_due() == due
    assert await doubt_queued(store, writer()) == due
    assert await unwritten() == 0
    assert await db.statuses() == {status: ROWS}
    assert [each for each, _ in await texts(send.id)] == db.generated_numbers(ROWS)
    assert await db.held(app.owner.account_id) == 100 - ROWS
    await assert_proven()
    assert await doubt_queued(store, writer()) == 0


async def test_later_messages_are_written_at_once_and_wait_for_their_time(app: App) -> None:
    at = datetime.now(UTC) + timedelta(hours=1)
    send = await accepted(app, order=replace(ORDER, send_at=at))
    await written_to_the_end(writer(rules=JobRules(waiting=10)))
    rows = await db.fetch("SELECT DISTINCT send_at, due_at, priority FROM message")
    assert rows == [{"send_at": at, "due_at": at, "priority": 2 + LATER}]
    await cancel_send(store, app.owner.actor, send.id)
    await db.assert_audit_holds()


async def test_a_number_that_opts_out_before_its_message_is_written_gets_none(app: App) -> None:
    send = await accepted(app)
    number = db.generated_numbers(ROWS)[20]
    await db.opt_out(app.owner.client_id, number)
    await written_to_the_end(writer())
    # Its message has a time, so that the dispatcher looks the number up once more.
    rows = await db.fetch("SELECT number FROM message WHERE send_at <= now()")
    assert rows == [{"number": number}]
    while await capture_contacts(store):
        pass
    assert await counts(send) == {QUEUED: ROWS - 1, CANCELLED: 1}
    await db.assert_audit_holds()


async def test_contacts_are_captured_part_by_part(app: App) -> None:
    await accepted(app)
    own, captured = writer(), []
    while await own.step():
        while await capture_contacts(store):
            pass
        rows = await db.fetch(
            "SELECT (SELECT count(*) FROM contact) AS contacts, captured FROM send"
        )
        captured.append(tuple(rows[0].values()))
    assert captured == [(10, False), (20, False), (30, False), (40, False), (45, True)]


async def test_the_rest_is_refunded_if_the_file_reads_otherwise_than_before(
    app: App, caplog: pytest.LogCaptureFixture
) -> None:
    content = csv_file([["phone"], *([each[2:]] for each in db.generated_numbers(ROWS))])
    send = await accepted(app, content, CsvOrder(text="Hi"))
    await writer().step()
    await db.execute("UPDATE send_job SET claimed_until = NULL")
    await written_to_the_end(writer(region="GB"))
    assert await counts(send) == {QUEUED: PART, CANCELLED: ROWS - PART}
    assert await db.held(app.owner.account_id) == 100 - PART
    [refund] = await db.fetch("SELECT amount, note FROM transfer WHERE kind = 'REFUND'")
    assert refund == {"amount": ROWS - PART, "note": FAILED}
    assert "is not sent but refunded" in caplog.text
    await db.assert_audit_holds()


async def test_an_upload_that_is_purged_during_the_check_is_not_found(app: App) -> None:
    upload = await uploaded(app.installation, app.owner.actor, a_file())
    await accepted(app)
    await db.execute("UPDATE upload SET created_at = now() - interval '2 days'")
    assert await store.purge_uploads(age_seconds=60, most=10) == 1  # the other one has a job
    with pytest.raises(Refusal, match="upload"):
        await store.find_upload(OfClient(app.owner.client_id), upload.id)
    await written_to_the_end(writer())  # of any age
    assert await unwritten() == 0
