"""Retention: what is dropped, what stays, and that the ledger is proven before and after."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import PIPE
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from domain import ids
from domain.dispatch.cancel import cancel_send
from domain.dispatch.settle import settle_unknown
from domain.errors import NotFound
from domain.identity.access import OfClient
from domain.ids import Kind, new_id
from domain.inbox.capture import capture_contacts
from domain.retention.retention import RowKind, drop_old
from domain.retention.rules import Clients, Retention, Rules, months_before
from ibiki.retention import DailyRetention
from ibiki.settings.retention import RetentionSettings
from persistence import store
from tests import db
from tests.aging import make_older
from tests.inbox import post
from tests.inbox.post import PHONE, inbound
from tests.installations import App
from tests.retention.old import ONE_MONTH, Old, assert_proven, rows, sums

SENDS = """{ sends { nodes { id accepted counts { sent unknown cancelled queued }
    messages { nodes { id text } } } } }"""
MESSAGE = "query ($id: ID!) { message(id: $id) { id } }"
NODE = "query ($id: ID!) { node(id: $id) { id } }"
INBOX = "{ inbox { nodes { number unread lastMessage { text } } } }"
EVERYTHING = "{ messages { nodes { id } } }"
STATEMENT = "{ transfers { nodes { amount description } } }"


async def test_old_messages_are_dropped_and_the_ledger_is_proven(old: Old) -> None:
    await assert_proven()
    [message] = await db.fetch("SELECT id FROM message WHERE send_id = $1", old.single)
    message_id = ids.encode(Kind.MESSAGE, message["id"])
    assert await old.app.answer("owner", MESSAGE, id=message_id) == {"id": message_id}
    before = await old.app.answer("owner", SENDS)
    statement = await old.app.answer("owner", STATEMENT)
    rules = await store.read_rules(ONE_MONTH)
    planned = [each async for each in drop_old(store, rules, old.now, dry_run=True, rest=0)]
    assert await rows("message") == 12, "a plan changes nothing"
    gone = await old.drop()
    assert sums(gone) == sums(planned)
    assert sums(gone)[RowKind.MESSAGES] == 10
    assert sums(gone)[RowKind.INBOUND] == sums(gone)[RowKind.CONVERSATIONS] == 1
    assert sums(gone)[RowKind.EVENTS] == 1
    assert await rows("message") == 2, "the new one, and the one that is UNKNOWN"
    assert await rows("sent_to") == 1
    assert await rows("attempt") == 1, "the attempt of the UNKNOWN message"
    assert await rows("webhook_event_key") == 0
    await assert_proven()
    after = await old.app.answer("owner", SENDS)
    assert [each["counts"] for each in after["nodes"]] == [
        each["counts"] for each in before["nodes"]
    ]
    assert await old.app.answer("owner", STATEMENT) == statement
    for query in (MESSAGE, NODE):
        assert await old.app.answer("owner", query, id=message_id) is None
    assert (await old.app.answer("owner", INBOX))["nodes"] == []
    assert len((await old.app.answer("owner", EVERYTHING))["nodes"]) == 2


@pytest.mark.parametrize("default", [Retention(months=1), ONE_MONTH, Retention(text_days=60)])
async def test_a_plan_lists_what_is_then_dropped(old: Old, default: Retention) -> None:
    await db.execute('UPDATE send SET rejected = \'[["1", "invalid"]]\' WHERE id = $1', old.bulk)
    await store.set_retention(old.app.owner.client_id, Retention(text_days=20, months=2))
    rules = await store.read_rules(default)
    planned = [each async for each in drop_old(store, rules, old.now, dry_run=True, rest=0)]
    gone = await old.drop(default)
    assert sums(gone) == sums(planned)
    assert sums(gone)[RowKind.SENDS] > 0


async def test_what_arrives_after_a_drop_is_kept(old: Old) -> None:
    await old.drop()
    report = {"messageId": "ref", "status": "delivered", "recipient": PHONE}
    [late] = await post.stored(report)
    await post.receive_all()
    [event] = await post.rows_of([late])
    assert event["outcome"] == "UNROUTED"
    assert bytes(event["body"])
    [reply] = await post.received(inbound("Still there?", modem="m1"))
    assert (reply["outcome"], reply["client_id"]) == ("ROUTED", old.app.owner.client_id)
    [conversation] = (await old.app.answer("owner", INBOX))["nodes"]
    assert (conversation["lastMessage"]["text"], conversation["unread"]) == ("Still there?", 1)
    [message] = await db.fetch("SELECT id FROM message WHERE status = 'UNKNOWN'")
    held = await db.held(old.app.owner.account_id)
    await settle_unknown(store, db.ADMIN, message["id"], taken=False, note="Not in the log")
    assert await db.held(old.app.owner.account_id) == held + 1
    await assert_proven()
    assert sums(await old.drop())[RowKind.MESSAGES] == 1
    await assert_proven()


async def test_a_reader_resumes_after_messages_that_were_dropped(old: Old) -> None:
    scope, other = OfClient(old.app.owner.client_id), OfClient(old.app.sibling.client_id)
    [dropped] = await db.fetch("SELECT id FROM inbound")
    assert await store.feed_number(scope, dropped["id"]) == 1
    await old.drop()
    assert await store.feed_number(scope, dropped["id"]) == 0
    [new] = await post.received(inbound("Still there?", modem="m1"))
    assert await store.feed_number(scope, dropped["id"]) == 0
    assert await store.feed_number(scope, new["id"]) == 2
    for feed, unknown in ((scope, new_id()), (other, dropped["id"])):
        with pytest.raises(NotFound):
            await store.feed_number(feed, unknown)


async def test_without_a_checkpoint_no_month_goes(app: App, database_url: str) -> None:
    send = await db.accept(app.owner, 2)
    await cancel_send(store, app.owner.actor, send.id)
    await capture_contacts(store)
    await make_older(database_url, 100)
    rules = Rules(Retention(months=1))
    now = datetime.now(UTC)
    assert [each async for each in drop_old(store, rules, now, dry_run=False, rest=0)] == []
    assert await rows("message") == 2


async def test_a_client_keeps_longer_or_shorter_than_others(old: Old) -> None:
    await store.set_retention(old.app.sibling.client_id, Retention(text_days=0, months=0))
    await old.drop()
    [kept] = await db.fetch(
        "SELECT text FROM message WHERE client_id = $1", old.app.sibling.client_id
    )
    assert kept["text"] == "Of another client"
    assert await rows("attempt") > 1, "an attempt can be for several clients"
    await store.set_retention(old.app.sibling.client_id, Retention())
    await old.drop()
    assert await rows("message") == 2, "the rule that is new begins at the first row"
    await assert_proven()


async def test_texts_are_dropped_before_messages(old: Old) -> None:
    assert await old.drop(Retention(text_days=36_500, months=1_200)) == [], "before 1970"
    gone = await old.drop(Retention(text_days=60))
    assert sums(gone) == Counter(
        {
            RowKind.SENDS: 3,
            RowKind.MESSAGE_TEXTS: 1,
            RowKind.INBOUND_TEXTS: 1,
            RowKind.EVENT_BODIES: 1,
        }
    )
    texts = await db.fetch("SELECT text FROM send WHERE text <> '' ORDER BY id")
    assert [row["text"] for row in texts] == ["Who knows", "New"], "what is not settled stays"
    assert [row["text"] for row in await db.fetch("SELECT text FROM inbound")] == [""]
    assert await rows("message") == 12
    await assert_proven()


async def test_the_daily_run_drops_only_if_it_is_set(old: Old) -> None:
    for settings, left in (
        (RetentionSettings(text_days=60, months=1), 12),
        (RetentionSettings(text_days=60, months=1, daily=True), 2),
    ):
        runs = [DailyRetention(store, settings) for _ in range(2)]
        await asyncio.gather(*(each.run_daily() for each in runs))
        assert await rows("message") == left


async def test_a_killed_run_is_continued(old: Old) -> None:
    program = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.retention.dropping", old.url), stdin=PIPE, stdout=PIPE
    )
    assert program.stdin is not None
    assert program.stdout is not None
    seen = [await program.stdout.readline()]
    while b"messages" not in seen[-1].split():
        program.stdin.write(b"\n")
        seen.append(await program.stdout.readline())
        assert seen[-1], seen
    program.kill()
    await program.wait()
    left = await rows("message")
    assert 2 < left < 12
    await assert_proven()
    await old.drop()
    assert await rows("message") == 2
    await assert_proven()


def test_months_are_counted_from_the_present_one() -> None:
    now = datetime(2026, 3, 31, 23, tzinfo=UTC)
    assert [f"{months_before(now, each):%Y-%m}" for each in (0, 1, 3, 15)] == [
        "2026-03",
        "2026-02",
        "2025-12",
        "2024-12",
    ]


def test_each_client_is_in_one_group_at_most() -> None:
    a, b, c = (UUID(int=each) for each in (1, 2, 3))
    rules = Rules(
        Retention(text_days=30),
        {a: Retention(text_days=7), b: Retention(text_days=0), c: Retention(months=2)},
    )
    now = datetime(2026, 3, 31, tzinfo=UTC)
    limits: list[Any] = rules.text_limits(now)
    assert [(each.before, each.clients.only) for each in limits] == [
        (now - timedelta(days=30), None),
        (now - timedelta(days=7), {a}),
    ]
    assert limits[0].clients.without == {a, b}
    assert rules.all_months_before(now) is None
    [months] = rules.month_limits(now)
    assert months.clients == Clients(only=frozenset({c}))
