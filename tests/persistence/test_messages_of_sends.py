"""The messages of a send are found by its ID, and those of earlier releases by an index.

Both kinds give the same answers, and each read looks only at the rows that it needs.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

import pytest

from domain.identity.access import Everything, OfClient
from domain.ids import last_message_id, new_id, new_send_id
from domain.live import hints
from domain.pages import Window
from domain.retention.retention import RowKind
from domain.sending.accept import accept_alone, accept_batch
from domain.sending.lists import MessageFilter, SendFilter
from domain.sending.messages import MessageStatus
from persistence import store
from persistence.inbox.capture import NUMBERS
from persistence.ledger.audit import audit_send, audit_sends, last_send_id
from persistence.ledger.checkpoints import sum_sends
from persistence.ledger.reconcile import check_sends, lock_checked_send
from persistence.live.changes import fingerprints
from persistence.retention.kinds import KINDS
from persistence.sending.messages import read_messages, read_messages_of_sends
from persistence.sending.tallies import has_status
from tests import db
from tests.dispatch.parts import eventually
from tests.persistence.test_reads_stay_small import (
    PLANNING,
    assert_small,
    is_alone,
    work_of,
)

FIRST = UUID(int=0)

# Messages are found by the ID of their send, by the index, or some by each.
PLACES = {
    "range": "NULL",
    "index": "true",
    "both": "CASE WHEN get_byte(uuid_send(id), 15) % 2 = 0 THEN true END",
}


def test_the_ids_of_a_send_and_its_messages_are_in_order_and_unique() -> None:
    ids = [each for _ in range(2_000) for each in (new_id(), new_send_id())]
    assert ids == sorted(set(ids))
    sends = ids[1::2]
    assert all(each.version == 7 and each.hex.endswith("000000") for each in sends)
    for send_id, following in zip(sends, ids[2::2], strict=False):
        assert send_id < last_message_id(send_id) < following
        assert last_message_id(send_id).hex == send_id.hex[:26] + "ffffff"


@dataclass(frozen=True, slots=True)
class Sent:
    client: db.Tenant
    other: db.Tenant
    sends: dict[str, UUID]

    @property
    def scope(self) -> OfClient:
        """The client's."""
        return OfClient(self.client.client_id)


@pytest.fixture
async def sent(database_url: str) -> AsyncIterator[Sent]:
    async with db.connected(database_url, pool_size=1):
        pool = await db.add_pool()
        client, other = [await db.add_client(pool, held=100_000) for _ in range(2)]
        later = datetime.now(UTC) + timedelta(days=1)
        made = {
            "before": db.new_send(other, 3),
            "single": db.new_send(client),
            "bulk": db.new_send(client, 12),
            "between": db.new_send(other),
            "multi": db.new_send(client, texts=["One.", "Two.", "Three."]),
            "scheduled": db.new_send(client, 3, send_at=later),
            "sent": db.new_send(client, 5),
            "after": db.new_send(other, 2),
        }
        for send in made.values():
            await accept_batch(store, [send]) if send.accepted == 1 else await accept_alone(
                store, send
            )
        await db.execute(
            "UPDATE message SET status = CASE WHEN send_id = $1 THEN 'SENT' ELSE 'CANCELLED' END,"
            " attempt_id = CASE WHEN send_id = $1 THEN id END"
            " WHERE send_id = $1 OR send_id = $2 AND right(id::text, 1) IN ('2', '5', '6')",
            made["sent"].id,
            made["bulk"].id,
        )
        yield Sent(client, other, {name: send.id for name, send in made.items()})


@pytest.mark.parametrize("place", ["index", "both"])
async def test_messages_give_the_same_answers_wherever_they_are_found(
    sent: Sent, place: str
) -> None:
    expected = await answers(sent)
    await move(place)
    found = await answers(sent)
    assert found.keys() == expected.keys()
    for name, answer in expected.items():
        assert found[name] == answer, name


async def move(place: str) -> None:
    await db.execute(f"UPDATE message SET by_send = {PLACES[place]}")


async def answers(sent: Sent) -> dict[str, Any]:
    """What the program reads about these sends."""
    ids, everything = list(sent.sends.values()), Everything()
    found: dict[str, Any] = {
        "sends": [await store.find_send(everything, each) for each in ids],
        "scheduled": await store.read_sends(
            everything, Window(50), filter=SendFilter(scheduled=True)
        ),
        "fingerprints": await fingerprints([hints.SEND + each.bytes for each in ids]),
        "accepted": [await store.read_accepted(sent.scope, each) for each in ids],
        "checked": await check_sends(FIRST, since=None),
        "of the month": await sum_sends(FIRST, await last_send_id()),
        "audit": await audit_sends(FIRST, await last_send_id()),
        "audits": [await audit_send(each) for each in ids],
        "settled": await db.fetch(SETTLED, ids),
    }
    for status in (None, MessageStatus.QUEUED, MessageStatus.CANCELLED, MessageStatus.UNKNOWN):
        for window in windows(4):
            pages = await read_messages_of_sends(everything, ids, window, status=status)
            for send_id, page in pages.items():
                found[f"{status} {window} {send_id}"] = page
                wanted = MessageFilter(status, send_id=send_id)
                assert page == await read_messages(everything, window, filter=wanted)
                if page.items:
                    after = replace(window, after=page.items[-1].id)
                    found[f"{status} {after}"] = await read_messages(
                        sent.scope, after, filter=wanted, search="o"
                    )
        if status is not None:
            found[f"has {status}"] = await db.fetch(
                f"SELECT {has_status('send.id', status)} AS has FROM send ORDER BY id"
            )
    with suppress(Rollback):
        async with store.transaction() as tx:
            found["numbers"] = [await tx.fetch(NUMBERS, ids, FIRST, most) for most in (2, 9)]
            found["opted out"] = set(await store.opted_out_among(tx, ids, after=FIRST, until=None))
            found["corrected"] = [await lock_checked_send(tx, each, epoch=1) for each in ids]
            found["cancelled"] = [await store.cancel_queued(tx, each, most=2) for each in ids]
            found["then"] = await tx.fetch("SELECT id, status FROM message ORDER BY id")
            for each in ids:
                await store.limit_validity(tx, each, 60)
            found["valid"] = await tx.fetch(
                "SELECT id, expires_at FROM send WHERE send_at IS NOT NULL ORDER BY id"
            )
            raise Rollback
    return found


def windows(size: int) -> list[Window[UUID]]:
    return [Window(size), Window(size, from_end=True)]


class Rollback(Exception):
    """Ends a transaction."""


@dataclass(frozen=True, slots=True)
class Large:
    """Sends among many others of the same client. All of the bulk is sent.

    `other`: the bit in which the IDs of messages differ from those in the range of their send.
    """

    scope: OfClient
    single: UUID
    few: UUID
    bulk: UUID
    other: int

    def message_id(self, send_id: UUID, place: int) -> UUID:
        """The ID of a message by its place in its send, from 1 on."""
        return UUID(int=(send_id.int + place) ^ self.other)


FEW = 10
OTHER = 0x80 << 24
GIVE_OTHER_IDS = """
UPDATE message SET by_send = true, in_part = NULL, id = encode(set_byte(
    uuid_send(id), 12, get_byte(uuid_send(id), 12) # 128), 'hex')::uuid
"""


@pytest.fixture(params=["range", "index"])
async def large(database_url: str, request: pytest.FixtureRequest) -> AsyncIterator[Large]:
    # One connection: the counters are flushed by the connection that did the work.
    async with db.connected(database_url, pool_size=1):
        client = await db.add_client(held=100_000)
        made = []
        for _ in range(10):
            made += [db.new_send(client) for _ in range(200)]
            await accept_batch(store, made[-200:])
            if len(made) == 1_000:
                few, bulk = [await db.accept(client, each) for each in (FEW, 5_000)]
        await db.execute(
            "UPDATE message SET status = 'SENT', attempt_id = id WHERE send_id = $1", bulk.id
        )
        await store.shorten_parts()
        await db.execute("UPDATE send SET tallied = false WHERE id = $1", few.id)
        if request.param == "index":
            await db.execute(GIVE_OTHER_IDS)
        await db.execute("VACUUM (ANALYZE)")
        await eventually(is_alone)
        other = OTHER if request.param == "index" else 0
        yield Large(OfClient(client.client_id), made[990].id, few.id, bulk.id, other)


async def test_reads_of_a_send_read_the_rows_of_the_send(large: Large) -> None:
    only = large.message_id(large.single, 1)
    both, middle = [large.single, large.few], large.message_id(large.bulk, 2_500)

    def in_transaction(name: str, *given: Any, **options: Any) -> Callable[[], Awaitable[Any]]:
        async def work() -> Any:
            async with store.transaction() as tx:
                return await getattr(store, name)(tx, *given, **options)

        return work

    def fetched(statement: str, *given: Any) -> Callable[[], Awaitable[Any]]:
        return partial(db.fetch, statement, *given)

    reads: dict[str, tuple[int, Callable[[], Awaitable[Any]]]] = {
        "a send": (1, partial(store.find_send, Everything(), large.single)),
        "counts": (FEW + 1, partial(store.find_sends_by_id, Everything(), both)),
        "accepted": (FEW, partial(store.read_accepted, large.scope, large.few)),
        "numbers": (FEW + 1, fetched(NUMBERS, both, FIRST, 1_000)),
        "numbers of a part": (5, fetched(NUMBERS, [large.bulk], middle, 5)),
        "opted out": (FEW + 1, in_transaction("opted_out_among", both, after=FIRST, until=None)),
        "corrected": (FEW, in_transaction("lock_checked_send", large.few, epoch=1)),
        "audited": (FEW, partial(audit_send, large.few)),
        "has none": (0, fetched(HAS_QUEUED, large.bulk)),
        "has some": (1, fetched(HAS_QUEUED, large.few)),
        "settled": (FEW, fetched(SETTLED, [large.few])),
        "valid": (FEW, in_transaction("limit_validity", large.few, 60)),
        # The row, its new version, and the end of what was cancelled.
        "cancelled": (FEW + 3, in_transaction("cancel_queued", large.few, most=1)),
        "cancelled one": (3, in_transaction("cancel_queued", large.single, most=9, only=only)),
    }
    for window in windows(20):
        for status in (None, MessageStatus.SENT, MessageStatus.QUEUED, MessageStatus.UNKNOWN):
            # By the index, the ends of the send are read too.
            name, most = f"{status} {window}", 21 + 2
            wanted = MessageFilter(status, send_id=large.bulk)
            reads[f"page {name}"] = (
                most,
                partial(read_messages, large.scope, window, filter=wanted),
            )
            reads[f"pages {name}"] = (
                most,
                partial(read_messages_of_sends, large.scope, [large.bulk], window, status=status),
            )
    for name, (most, read) in reads.items():
        for _ in range(7):  # from the sixth time on, PostgreSQL may plan for any values
            work = await work_of(read(), ["message"])
            assert not work.scans["message"], name
            assert work.rows["message"] <= most + PLANNING, (name, work)


HAS_QUEUED = f"SELECT {has_status('send.id', MessageStatus.QUEUED)} FROM send WHERE id = $1"
SETTLED = f"""
SELECT id FROM send AS item WHERE id = ANY($1::uuid[]) AND {KINDS[RowKind.SENDS].is_settled}
ORDER BY id
"""


@pytest.mark.parametrize("status", [MessageStatus.QUEUED, MessageStatus.SENT])
async def test_a_page_of_a_status_begins_at_its_cursor(
    database_url: str, status: MessageStatus
) -> None:
    async with db.connected(database_url, pool_size=1):
        client = await db.add_client(held=100_000)
        send_id = (await db.accept(client, 4_000)).id
        if status is MessageStatus.SENT:
            await db.execute("UPDATE message SET status = 'SENT', attempt_id = id")
        await db.execute("VACUUM (ANALYZE) message")
        await eventually(is_alone)
        [middle] = await db.fetch("SELECT id FROM message ORDER BY id OFFSET 2000 LIMIT 1")
        scope = OfClient(client.client_id)
        after: Window[UUID] = Window(50, after=middle["id"])
        before: Window[UUID] = Window(50, before=middle["id"], from_end=True)
        for window in (after, before):
            of_send = read_messages_of_sends(scope, [send_id], window, status=status)
            assert_small(await work_of(of_send), most_rows=60)
            filtered = read_messages(scope, window, filter=MessageFilter(status, send_id=send_id))
            assert_small(await work_of(filtered), most_rows=60)
