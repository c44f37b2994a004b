"""Sending, quoting, cancelling and settling over GraphQL."""

from __future__ import annotations

import gc
from contextlib import suppress
from dataclasses import replace
from typing import Any
from uuid import UUID
from weakref import ref

import pytest

from domain import ids
from domain.errors import InsufficientBalance, RateLimited, Refusal
from domain.ids import Kind, new_id
from domain.sending.accept import COPY_FROM
from domain.sending.quotes import quote
from domain.sending.recipients import LARGE_LIST, MOST_IN_MEMORY
from domain.sending.send import bulk_send
from domain.sending.text import FromTemplate, Text
from tests import db
from tests.installations import App

TO = "+12025550101"
NUMBERS = [TO, "202-555-0102", "2025550103"]
FIGURES = """ __typename ... on UserError { message }
    ... on InsufficientBalance { required available unit }
    ... on NoValidRecipients { rejected { input position reason } }
    ... on AccountInactive { status } ... on TooManyRecipients { limit } """
RESULT = (
    f"{{ {FIGURES}"
    + """... on RateLimited { retryAfterSeconds }
    ... on Send { id accepted charged rejectedCount rejected { input position reason }
        counts { queued cancelled } messages { nodes { number text } } } } }"""
)
SEND = "mutation ($input: SendInput!) { send(input: $input) " + RESULT
BULK = "mutation ($input: BulkSendInput!) { bulkSend(input: $input) " + RESULT
MULTI = "mutation ($input: BulkSendMultiInput!) { bulkSendMulti(input: $input) " + RESULT
CANCEL = "mutation ($input: CancelSendInput!) { cancelSend(input: $input) " + RESULT
SETTLE = """mutation ($input: SettleUnknownInput!) { settleUnknown(input: $input) {
    __typename ... on UserError { message } ... on Message { id status failure } } }"""
QUOTE = """query ($input: QuoteInput!) { quote(input: $input) {
    accepted rejectedCount rejected { input position reason } encoding segments costlyCharacters
    cost balance affordable } }"""

SENDING: list[tuple[str, dict[str, Any]]] = [
    (SEND, {"to": TO, "text": "Hello"}),
    (BULK, {"to": NUMBERS, "text": "Hello"}),
    (MULTI, {"messages": [{"to": TO, "text": "Hello"}]}),
]


async def test_a_send_is_charged_and_queued(app: App) -> None:
    answer = await app.answer("owner", SEND, input={"to": "202 555 0101", "text": "Hello"})
    assert answer.pop("id").startswith("snd_")
    assert answer == {
        "__typename": "Send",
        "accepted": 1,
        "charged": 1,
        "rejectedCount": 0,
        "rejected": [],
        "counts": {"queued": 1, "cancelled": 0},
        "messages": {"nodes": [{"number": TO, "text": "Hello"}]},
    }
    assert await db.held(app.owner.account_id) == 99


async def test_a_bulk_send_lists_its_rejected_recipients(app: App) -> None:
    to = [*NUMBERS, TO, "nonsense"]
    answer = await app.answer("owner", BULK, input={"to": to, "text": "Hello"})
    assert (answer["accepted"], answer["charged"], answer["rejectedCount"]) == (3, 3, 2)
    assert answer["rejected"] == [
        {"input": TO, "position": 3, "reason": "DUPLICATE"},
        {"input": "nonsense", "position": 4, "reason": "INVALID"},
    ]


async def test_a_multi_send_gives_each_number_its_own_text(app: App) -> None:
    messages = [{"to": number, "text": f"Number {place}"} for place, number in enumerate(NUMBERS)]
    answer = await app.answer("owner", MULTI, input={"messages": messages})
    texts = [node["text"] for node in answer["messages"]["nodes"]]
    assert texts == ["Number 2", "Number 1", "Number 0"]


@pytest.mark.parametrize("who", ["owner", "direct", "sibling"])
@pytest.mark.parametrize(("query", "given"), SENDING)
async def test_a_send_is_charged_to_the_account_that_the_user_sends_from(
    app: App, who: str, query: str, given: dict[str, Any]
) -> None:
    assert await app.code(who, query, input=given) is None
    held = [await db.held(each.account_id) for each in (app.owner, app.sibling)]
    charged = 3 if query is BULK else 1
    assert held == ([100, 20 - charged] if who == "sibling" else [100 - charged, 20])


@pytest.mark.parametrize(("query", "given"), SENDING)
async def test_a_repeated_key_returns_the_first_send_and_another_input_conflicts(
    app: App, query: str, given: dict[str, Any]
) -> None:
    keyed = {**given, "idempotencyKey": "once"}
    first = await app.answer("owner", query, input=keyed)
    assert await app.answer("owner", query, input=keyed) == first
    other = {**keyed, "text": "Other"} if "text" in keyed else {**keyed, "messages": []}
    conflict = await app.answer("owner", query, input=other)
    assert conflict["__typename"] == "IdempotencyConflict"
    assert await app.answer("sibling", query, input=keyed) != first


async def test_two_sends_of_one_variable_are_one_with_a_key(app: App) -> None:
    twice = "mutation ($input: SendInput!) { a: send(input: $input) { ... on Send { id } }"
    twice += " b: send(input: $input) { ... on Send { id } } }"
    given = {"to": TO, "text": "Hello"}
    for keyed, sends in (({**given, "idempotencyKey": "k"}, 1), (given, 2)):
        data = (await app.ask("owner", twice, input=keyed))["data"]
        assert len({data["a"]["id"], data["b"]["id"]}) == sends


@pytest.mark.parametrize("status", ["DORMANT", "suspended"])
async def test_an_inactive_account_cannot_send(app: App, status: str) -> None:
    actor = replace(app.owner.actor, client_status=status)
    answer = await app.answer(actor, SEND, input={"to": TO, "text": "Hello"})
    assert (answer["__typename"], answer["status"]) == ("AccountInactive", status.upper())


async def test_a_rate_limited_send_says_how_long_to_wait(app: App) -> None:
    app.rate_limiter.requests_left = 0
    answer = await app.answer("owner", SEND, input={"to": TO, "text": "Hello"})
    assert (answer["__typename"], answer["retryAfterSeconds"]) == ("RateLimited", 7)


async def test_a_large_request_is_refused_while_others_use_the_memory(app: App) -> None:
    installation = replace(
        app.installation, limits=replace(app.installation.limits, recipients=LARGE_LIST)
    )
    owner, numbers = app.owner.actor, db.generated_numbers(LARGE_LIST)
    with installation.recipient_memory.reserve(MOST_IN_MEMORY):
        with pytest.raises(RateLimited):
            await bulk_send(installation, owner, to=numbers, text="Hello", key=None)
        with pytest.raises(RateLimited):
            await quote(installation, owner, to=numbers, text="Hello")
        assert (await bulk_send(installation, owner, to=[TO], text="Hello", key=None)).accepted == 1
    with pytest.raises(InsufficientBalance):
        await bulk_send(installation, owner, to=numbers, text="Hello", key=None)


async def test_a_rejected_recipient_has_its_message_wherever_it_is_shown(app: App) -> None:
    shown = "rejected { input reason message }"
    given = {"to": [TO, "2025550101", "no"], "text": "Hello"}
    rejected = [
        {
            "input": "2025550101",
            "reason": "DUPLICATE",
            "message": "This is a duplicate. It is sent and charged once.",
        },
        {
            "input": "no",
            "reason": "INVALID",
            "message": "A phone number has no letters. Write it in digits.",
        },
    ]
    quoting = f"query ($input: QuoteInput!) {{ quote(input: $input) {{ {shown} }} }}"
    assert await app.answer("owner", quoting, input=given) == {"rejected": rejected}
    sending = f"""mutation ($input: BulkSendInput!) {{
        bulkSend(input: $input) {{ ... on Send {{ id {shown} }} }} }}"""
    sent = await app.answer("owner", sending, input=given)
    assert sent["rejected"] == rejected
    looking_up = f"query ($id: ID!) {{ send(id: $id) {{ {shown} }} }}"
    assert await app.answer("owner", looking_up, id=sent["id"]) == {"rejected": rejected}


async def test_a_quote_shows_the_cost_and_changes_nothing(app: App) -> None:
    requested = {"to": [*NUMBERS, "x"], "text": "Olá ツ"}
    assert await app.answer("sibling", QUOTE, input=requested) == {
        "accepted": 3,
        "rejectedCount": 1,
        "rejected": [{"input": "x", "position": 3, "reason": "INVALID"}],
        "encoding": "UCS2",
        "segments": 1,
        "costlyCharacters": ["á", "ツ"],
        "cost": 3,
        "balance": 20,
        "affordable": True,
    }
    requested["to"] = db.generated_numbers(21)
    assert not (await app.answer("sibling", QUOTE, input=requested))["affordable"]
    assert await db.held(app.sibling.account_id) == 20


@pytest.mark.parametrize(
    ("who", "code", "found"),
    [
        ("owner", None, True),
        ("direct", None, True),
        ("admin", None, True),
        ("sibling", None, False),
        ("supervisor", "FORBIDDEN", False),
        ("other_supervisor", "FORBIDDEN", False),
        ("nobody", "UNAUTHENTICATED", False),
    ],
)
async def test_a_send_is_cancelled_by_its_owner(
    app: App, who: str, code: str | None, found: bool
) -> None:
    requested = await db.accept(app.owner, 3)
    given = {"sendId": ids.encode(Kind.SEND, requested.id)}
    unknown = {"sendId": ids.encode(Kind.SEND, UUID(int=404))}
    nonsense = {"sendId": "nonsense"}
    for each in (unknown, nonsense, given):
        assert await app.code(who, CANCEL, input=each) == code
    if code is None:
        answers = [await app.answer(who, CANCEL, input=each) for each in (unknown, nonsense, given)]
        not_found = {"__typename": "NotFound", "message": "No such send."}
        assert answers[:2] == [not_found, not_found]
        if not found:
            assert answers[2] == not_found
        else:
            assert answers[2]["counts"] == {"queued": 0, "cancelled": 3}
            assert answers[2]["charged"] == 0
    assert await db.held(app.owner.account_id) == (100 if found else 97)


async def in_doubt(app: App) -> UUID:
    """An UNKNOWN message of the owner."""
    requested = await db.accept(app.owner)
    attempt_id = new_id()
    await db.execute(
        "INSERT INTO attempt (id, provider_account_id, dispatcher_id, epoch, messages, started_at,"
        " lease_until, ended_at, outcome)"
        " VALUES ($1, $2, $1, 0, 1, now(), now(), now(), 'UNKNOWN')",
        attempt_id,
        app.pool.id,
    )
    await db.execute(
        "UPDATE message SET status = 'UNKNOWN', attempt_id = $1, attempts = 1 WHERE send_id = $2",
        attempt_id,
        requested.id,
    )
    [row] = await db.fetch("SELECT id FROM message WHERE send_id = $1", requested.id)
    found: UUID = row["id"]
    return found


@pytest.mark.parametrize(
    ("taken", "status", "held"), [(True, "SENT", 99), (False, "REJECTED", 100)]
)
@pytest.mark.parametrize("note", ["The provider says so.", None])
async def test_a_message_is_settled_once(
    app: App, taken: bool, status: str, held: int, note: str | None
) -> None:
    message_id = ids.encode(Kind.MESSAGE, await in_doubt(app))
    given = {"messageId": message_id, "taken": taken, "note": note}
    answer = await app.answer("admin", SETTLE, input=given)
    assert (answer["id"], answer["status"]) == (message_id, status)
    again = await app.answer("admin", SETTLE, input={**given, "taken": not taken})
    assert again["__typename"] == "InvalidInput"
    assert await db.held(app.owner.account_id) == held
    await db.assert_audit_holds()
    for unknown in (ids.encode(Kind.MESSAGE, UUID(int=404)), "nonsense"):
        missing = await app.answer("admin", SETTLE, input={**given, "messageId": unknown})
        assert missing == {"__typename": "NotFound", "message": "No such message."}


PROBLEM = "query ($input: QuoteInput!) { quote(input: $input) { problem {" + FIGURES + "} } }"


@pytest.mark.parametrize(
    ("given", "refusal"),
    [
        (
            {"to": db.generated_numbers(101), "text": "Hello"},
            {
                "__typename": "InsufficientBalance",
                "required": 101,
                "available": 100,
                "unit": "credit",
            },
        ),
        (
            {"to": ["12"], "text": "Hello"},
            {
                "__typename": "NoValidRecipients",
                "rejected": [{"input": "12", "position": 0, "reason": "INVALID"}],
            },
        ),
        ({"to": [], "text": "Hello"}, {"__typename": "NoValidRecipients", "rejected": []}),
        ({"to": [TO], "text": " "}, {"__typename": "InvalidText"}),
        ({"to": [TO], "text": "x" * 2_000}, {"__typename": "InvalidText"}),
        ({"to": [TO], "text": "a\ud800b"}, {"__typename": "InvalidText"}),
        (
            {"to": db.generated_numbers(301), "text": "Hello"},
            {"__typename": "TooManyRecipients", "limit": 300},
        ),
        ({"to": [TO], "text": "Hello"}, {"__typename": "AccountInactive", "status": "DORMANT"}),
    ],
)
async def test_a_refusal_has_its_figures_and_a_quote_reports_it(
    app: App, given: dict[str, Any], refusal: dict[str, Any]
) -> None:
    actor = replace(app.owner.actor, client_status=refusal.get("status", "ACTIVE"))
    sent = await app.answer(actor, BULK, input=given)
    assert (await app.answer(actor, PROBLEM, input=given))["problem"] == sent
    assert sent.pop("message")
    assert sent == refusal
    assert await db.held(app.owner.account_id) == 100
    assert (await app.answer("owner", "{ sends { nodes { id } } }"))["nodes"] == []


class Numbers(list[str]):
    """A list that can be referred to weakly."""


@pytest.mark.parametrize("key", [None, "once"])
@pytest.mark.parametrize(
    ("to", "text"),
    [
        (NUMBERS, ""),
        (NUMBERS, FromTemplate("none", {})),
        (["nonsense"], "Hello"),
        ([f"+447946{place:06}" for place in range(COPY_FROM)], "Hello"),
    ],
    ids=["no text", "no template", "no recipient", "no units"],
)
async def test_a_refused_request_is_freed_without_the_garbage_collector(
    app: App, to: list[str], text: Text, key: str | None
) -> None:
    numbers = Numbers(to)
    seen = ref(numbers)
    gc.collect()
    gc.disable()
    try:
        with suppress(Refusal):
            await bulk_send(app.installation, app.owner.actor, to=numbers, text=text, key=key)
        with suppress(Refusal):
            await quote(app.installation, app.owner.actor, to=numbers, text=text)
        del numbers
        assert seen() is None
    finally:
        gc.enable()
