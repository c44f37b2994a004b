"""`sendAt`: what it accepts and charges, what is stored, and how scheduled sends are listed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from domain.errors import InvalidInput
from domain.sending.schedule import time_to_send
from tests import db
from tests.installations import App
from tests.sending.test_sending import NUMBERS, TO

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)
RESULT = """{ __typename ... on UserError { message code path }
    ... on Send { id sendAt charged counts { queued cancelled } finished
        messages(first: 5) { nodes { sendAt status } } } } }"""
SEND = "mutation ($input: SendInput!) { send(input: $input) " + RESULT
BULK = "mutation ($input: BulkSendInput!) { bulkSend(input: $input) " + RESULT
MULTI = "mutation ($input: BulkSendMultiInput!) { bulkSendMulti(input: $input) " + RESULT
CANCEL = "mutation ($input: CancelSendInput!) { cancelSend(input: $input) " + RESULT
QUOTE = """query ($input: QuoteInput!) { quote(input: $input) {
    accepted problem { message code path } } }"""
SENDS = "query ($filter: SendFilter) { sends(filter: $filter) { nodes { id } } }"

SENDING: list[tuple[str, dict[str, Any]]] = [
    (SEND, {"to": TO, "text": "Hello"}),
    (BULK, {"to": NUMBERS, "text": "Hello"}),
    (MULTI, {"messages": [{"to": TO, "text": "Hello"}]}),
]


def later(by: timedelta) -> str:
    """A time in RFC 3339, this much from now."""
    return (datetime.now(UTC) + by).isoformat(timespec="seconds")


@pytest.mark.parametrize(
    ("ahead", "planned"),
    [
        (timedelta(seconds=-60), False),
        (timedelta(0), False),
        (timedelta(microseconds=1), True),
        (30 * DAY, True),
    ],
)
def test_a_time_is_used_and_one_in_the_last_minute_means_now(
    ahead: timedelta, planned: bool
) -> None:
    assert time_to_send(NOW + ahead, NOW) == (NOW + ahead if planned else None)


@pytest.mark.parametrize("ahead", [timedelta(seconds=-61), 30 * DAY + timedelta(seconds=1)])
def test_a_time_in_the_past_or_too_far_ahead_is_refused(ahead: timedelta) -> None:
    with pytest.raises(InvalidInput, match="The time to send at"):
        time_to_send(NOW + ahead, NOW)


@pytest.mark.parametrize(("query", "given"), SENDING)
async def test_a_scheduled_send_is_charged_at_once_and_refunded_when_it_is_cancelled(
    app: App, query: str, given: dict[str, Any]
) -> None:
    send_at = later(DAY)
    send = await app.answer("owner", query, input={**given, "sendAt": send_at})
    charged = send["charged"]
    assert send["sendAt"] == send_at.replace("+00:00", "Z")
    assert send["finished"] is False
    assert {node["sendAt"] for node in send["messages"]["nodes"]} == {send["sendAt"]}
    assert {node["status"] for node in send["messages"]["nodes"]} == {"QUEUED"}
    assert await db.held(app.owner.account_id) == 100 - charged
    [listed] = (await app.answer("owner", SENDS, filter={"scheduled": True}))["nodes"]
    assert listed["id"] == send["id"]
    assert (await app.answer("owner", SENDS, filter={"scheduled": False}))["nodes"] == []
    assert (await app.answer("sibling", SENDS, filter={"scheduled": True}))["nodes"] == []
    cancelled = await app.answer("owner", CANCEL, input={"sendId": send["id"]})
    assert cancelled["counts"] == {"queued": 0, "cancelled": charged}
    assert await db.held(app.owner.account_id) == 100
    assert (await app.answer("owner", SENDS, filter={"scheduled": True}))["nodes"] == []
    await db.assert_audit_holds()


async def test_the_same_time_in_another_zone_is_the_same_request(app: App) -> None:
    keyed = {"to": TO, "text": "Hello", "idempotencyKey": "k", "sendAt": later(DAY)}
    first = await app.answer("owner", SEND, input=keyed)
    moment = datetime.fromisoformat(keyed["sendAt"])
    elsewhere = moment.astimezone(datetime.strptime("+0530", "%z").tzinfo).isoformat()
    assert await app.answer("owner", SEND, input={**keyed, "sendAt": elsewhere}) == first
    for other in (later(2 * DAY), None):
        conflict = await app.answer("owner", SEND, input={**keyed, "sendAt": other})
        assert conflict["__typename"] == "IdempotencyConflict"
    assert await db.held(app.owner.account_id) == 99


async def test_a_repeated_request_gets_its_send_when_its_time_has_passed(app: App) -> None:
    """The time is in the past by then, which a new request may not have."""
    keyed = {"to": TO, "text": "Hello", "idempotencyKey": "k", "sendAt": "2026-01-01T00:00:00Z"}
    refused = await app.answer("owner", SEND, input=keyed)
    assert (refused["code"], refused["path"]) == ("INVALID_INPUT", ["input", "sendAt"])
    earlier = {**keyed, "sendAt": later(timedelta(seconds=-30))}
    first = await app.answer("owner", SEND, input=earlier)
    assert first["sendAt"] is None
    assert await app.answer("owner", SEND, input=earlier) == first


@pytest.mark.parametrize(("query", "given"), SENDING)
async def test_a_wrong_time_is_refused_and_nothing_is_charged(
    app: App, query: str, given: dict[str, Any]
) -> None:
    for ahead in (-DAY, 31 * DAY):
        refused = await app.answer("owner", query, input={**given, "sendAt": later(ahead)})
        assert refused["__typename"] == "InvalidInput"
        assert refused["path"] == ["input", "sendAt"]
    for wrong in ("2026-03-01T12:00:00", "tomorrow", 1_700_000_000):
        body = await app.ask("owner", query, input={**given, "sendAt": wrong})
        [error] = body["errors"]
        assert error["extensions"]["code"] == "BAD_USER_INPUT"
        assert ("the time has no zone" in error["message"]) == (wrong == "2026-03-01T12:00:00")
    assert await db.held(app.owner.account_id) == 100


async def test_a_quote_names_the_wrong_time(app: App) -> None:
    given = {"to": NUMBERS, "text": "Hello", "sendAt": later(-DAY)}
    quoted = await app.answer("owner", QUOTE, input=given)
    assert quoted["problem"]["path"] == ["input", "sendAt"]
    quoted = await app.answer("owner", QUOTE, input={**given, "sendAt": later(DAY)})
    assert quoted == {"accepted": 3, "problem": None}
