"""Stored sends and messages are found within a scope, and not outside."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from uuid import UUID

import pytest

from domain.errors import NotFound, RejectedRecipient, RejectionReason
from domain.identity.access import Everything, OfClient, OfGroup, Scope
from domain.pages import Window
from domain.sending.lists import MessageFilter
from domain.sending.messages import Message, MessageStatus, SendKind
from persistence.sending.archive import find_send, read_sends
from persistence.sending.messages import find_message, read_messages, read_messages_of_sends
from tests import db
from tests.ledger.sends import accept_single

UNKNOWN_ID = UUID(int=404)


@dataclass(frozen=True, slots=True)
class Setup:
    group: db.Group
    client: db.Tenant
    sibling: db.Tenant

    @property
    def own(self) -> Scope:
        return OfClient(self.client.client_id)


@pytest.fixture
async def setup(database_url: str) -> AsyncIterator[Setup]:
    async with db.connected(database_url):
        pool = await db.add_pool()
        group = await db.add_group(pool)
        yield Setup(
            group=group,
            client=await db.add_client(pool, group=group, rate_usd=Decimal("0.03")),
            sibling=await db.add_client(pool, group=group),
        )


async def test_a_send_is_found_with_its_counts_and_what_it_was_charged(setup: Setup) -> None:
    requested = await db.accept(setup.client, 5)
    await set_statuses(requested.id, ["SENT", "REJECTED", "UNKNOWN", "CANCELLED"])
    send = await find_send(setup.own, requested.id)
    assert (send.id, send.client_id) == (requested.id, setup.client.client_id)
    assert (send.kind, send.accepted, send.price) == (SendKind.BULK, 5, 1)
    assert send.counts == {
        MessageStatus.QUEUED: 1,
        MessageStatus.SENT: 1,
        MessageStatus.REJECTED: 1,
        MessageStatus.UNKNOWN: 1,
        MessageStatus.CANCELLED: 1,
    }
    assert (send.charged, send.finished) == (3, False)
    assert send.value_usd == Decimal("0.15")


async def test_a_send_keeps_its_rejected_recipients(setup: Setup) -> None:
    refused = [
        RejectedRecipient("nonsense", 1, RejectionReason.INVALID, "Write it in digits."),
        RejectedRecipient("2025550100", 4, RejectionReason.DUPLICATE, "Sent once."),
    ]
    requested = replace(db.new_send(setup.client, 3), rejected=refused, rejected_count=7)
    await accept_single(requested)
    send = await find_send(setup.own, requested.id)
    assert list(send.rejected) == refused
    assert send.rejected_count == 7


async def test_a_rejection_stored_without_a_message_gets_that_of_its_reason(setup: Setup) -> None:
    requested = await db.accept(setup.client, 1)
    await db.execute(
        "UPDATE send SET rejected = $2, rejected_count = 1 WHERE id = $1",
        requested.id,
        '[["555", 3, "INVALID"]]',
    )
    send = await find_send(setup.own, requested.id)
    assert list(send.rejected) == [
        RejectedRecipient("555", 3, RejectionReason.INVALID, "This is not a valid phone number.")
    ]


async def test_sends_outside_the_scope_are_not_found(setup: Setup) -> None:
    requested = await db.accept(setup.client)
    message_id = await only_message(requested.id)
    for scope in (setup.own, Everything()):
        assert (await find_send(scope, requested.id)).id == requested.id
        assert (await find_message(scope, message_id)).id == message_id
    outside = (OfClient(setup.sibling.client_id), OfGroup(setup.group.id))
    for scope in outside:
        with pytest.raises(NotFound, match=r"^No such send\.$"):
            await find_send(scope, requested.id)
        with pytest.raises(NotFound, match=r"^No such message\.$"):
            await find_message(scope, message_id)
        assert (await read_sends(scope, Window(25))).items == []
        assert (await read_messages(scope, Window(25))).items == []
        assert (await messages_of(scope, requested.id)) == []
    with pytest.raises(NotFound, match=r"^No such send\.$"):
        await find_send(Everything(), UNKNOWN_ID)
    with pytest.raises(NotFound, match=r"^No such message\.$"):
        await find_message(Everything(), UNKNOWN_ID)


async def test_sends_are_listed_newest_first_and_paged_both_ways(setup: Setup) -> None:
    requested = [(await db.accept(setup.client, 1 + turn)).id for turn in range(4)]
    await db.accept(setup.sibling)
    newest = requested[::-1]

    async def page(window: Window[UUID]) -> tuple[list[UUID], bool, bool]:
        found = await read_sends(setup.own, window)
        assert found.total is None
        return [send.id for send in found.items], found.has_previous, found.has_next

    assert await page(Window(25)) == (newest, False, False)
    assert await page(Window(3)) == (newest[:3], False, True)
    assert await page(Window(3, after=newest[2])) == (newest[3:], True, False)
    assert await page(Window(3, from_end=True)) == (newest[1:], True, False)
    assert await page(Window(3, before=newest[1], from_end=True)) == (newest[:1], False, True)
    assert await page(Window(9, after=newest[0], before=newest[3])) == (newest[1:3], True, False)
    counted = (await read_sends(setup.own, Window(25))).items
    assert [send.counts[MessageStatus.QUEUED] for send in counted] == [4, 3, 2, 1]
    assert len((await read_sends(Everything(), Window(25))).items) == 5


async def test_a_message_has_its_own_text_or_that_of_its_send(setup: Setup) -> None:
    shared = await db.accept(setup.client, 2, text="To all")
    own = await db.accept(setup.client, texts=["First", "Second"])
    found = (await read_messages(setup.own, Window(25))).items
    assert [message.text for message in found] == ["Second", "First", "To all", "To all"]
    assert [message.send_id for message in found] == [own.id, own.id, shared.id, shared.id]
    assert [message.number for message in found] == db.generated_numbers(2)[::-1] * 2
    assert {message.status for message in found} == {MessageStatus.QUEUED}
    assert {message.is_reply for message in found} == {False}


async def test_a_reply_is_marked_as_a_reply(setup: Setup) -> None:
    await db.accept(setup.client, kind=SendKind.REPLY)
    [message] = (await read_messages(setup.own, Window(25))).items
    assert message.is_reply


async def test_messages_are_paged_both_ways(setup: Setup) -> None:
    await db.accept(setup.client, 5)
    everything = [message.id for message in (await read_messages(setup.own, Window(25))).items]
    assert everything == sorted(everything, reverse=True)
    page = await read_messages(setup.own, Window(2, after=everything[1]))
    assert [message.id for message in page.items] == everything[2:4]
    assert (page.has_previous, page.has_next) == (True, True)
    page = await read_messages(setup.own, Window(2, before=everything[1], from_end=True))
    assert [message.id for message in page.items] == everything[:1]
    assert (page.has_previous, page.has_next) == (False, True)


async def test_messages_are_filtered_by_send_and_status(setup: Setup) -> None:
    first = await db.accept(setup.client, 3)
    second = await db.accept(setup.client, 2)
    await set_statuses(first.id, ["SENT", "REJECTED"])

    async def count(send_id: UUID, status: MessageStatus | None = None) -> int:
        return len(await messages_of(setup.own, send_id, status))

    assert await count(first.id) == 3
    assert await count(first.id, MessageStatus.SENT) == 1
    assert await count(second.id, MessageStatus.SENT) == 0
    assert await count(UNKNOWN_ID) == 0
    are_queued, are_rejected = (
        MessageFilter(each) for each in (MessageStatus.QUEUED, MessageStatus.REJECTED)
    )
    queued = await read_messages(setup.own, Window(25), filter=are_queued)
    assert len(queued.items) == 3
    [rejected] = (await read_messages(setup.own, Window(25), filter=are_rejected)).items
    assert rejected.failure == "Not taken."


@pytest.mark.parametrize(
    ("search", "found"),
    [
        ("lunch", ["Lunch at 12"]),
        ("LUNCH AT", ["Lunch at 12"]),
        ("112", ["50% off_now\\"]),
        ("50%", ["50% off_now\\"]),
        ("%", ["50% off_now\\"]),
        ("_", ["50% off_now\\"]),
        ("\\", ["50% off_now\\"]),
        ("555-0112", ["50% off_now\\"]),
        ("+1 (202) 555 01", ["Lunch at 12", "50% off_now\\", "Shared"]),
        ("'; drop table message; --", []),
        ("shared", ["Shared"]),
        ("{}", []),
    ],
)
async def test_messages_are_searched_by_number_and_text_taken_literally(
    setup: Setup, search: str, found: list[str]
) -> None:
    await db.accept(setup.client, numbers=["+12025550101"], text="Shared")
    await db.accept(
        setup.client,
        numbers=["+12025550112", "+12025550113"],
        texts=["50% off_now\\", "Lunch at 12"],
    )
    await db.accept(setup.sibling, numbers=["+12025550112"], text="Lunch shared by 12 %_\\")
    page = await read_messages(setup.own, Window(25), search=search)
    assert [message.text for message in page.items] == found


async def test_each_of_many_sends_gets_its_own_page_of_messages(setup: Setup) -> None:
    small = (await db.accept(setup.client, 2)).id
    large = (await db.accept(setup.client, 4)).id
    foreign = (await db.accept(setup.sibling)).id
    sends = [large, foreign, small]
    first = await read_messages_of_sends(setup.own, sends, Window(3))
    assert [(len(first[each].items), first[each].has_next) for each in sends] == [
        (3, True),
        (0, False),
        (2, False),
    ]
    shown = [message.id for message in first[large].items]
    assert shown == sorted(shown, reverse=True)
    rest = await read_messages_of_sends(setup.own, [large], Window(3, after=shown[-1]))
    assert [message.send_id for message in rest[large].items] == [large]
    last = await read_messages_of_sends(setup.own, [large], Window(2, from_end=True))
    assert [message.id for message in last[large].items] == [shown[-1], rest[large].items[0].id]
    assert last[large].has_previous


async def messages_of(
    scope: Scope, send_id: UUID, status: MessageStatus | None = None
) -> Sequence[Message]:
    found = await read_messages_of_sends(scope, [send_id], Window(25), status=status)
    return found[send_id].items


async def set_statuses(send_id: UUID, statuses: list[str]) -> None:
    """Gives the first messages of a send these statuses. The others stay QUEUED."""
    for place, status in enumerate(statuses):
        await db.execute(
            "UPDATE message SET status = $1, attempt_id = id,"
            " failure = CASE WHEN $1 = 'REJECTED' THEN 'Not taken.' END"
            " WHERE id = (SELECT id FROM message WHERE send_id = $2 ORDER BY id"
            " LIMIT 1 OFFSET $3)",
            status,
            send_id,
            place,
        )


async def only_message(send_id: UUID) -> UUID:
    [row] = await db.fetch("SELECT id FROM message WHERE send_id = $1", send_id)
    found: UUID = row["id"]
    return found
