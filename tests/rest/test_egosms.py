"""The API of EgoSMS: its answers have the vendor's keys and words, and do what GraphQL does."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from domain import ids
from domain.errors import OutcomeUnknown, TryAgain
from domain.identity.access import Actor
from domain.ids import Kind, new_id
from domain.provider import Accepted, NotSent, Rejected, Unknown
from ibiki.http.rest import egosms
from ibiki.http.rest.egosms import EgoSms
from providers.egosms import _json_outcome
from providers.transport import Answer
from tests import db
from tests.ibiki.http_server import running_server
from tests.installations import App
from tests.rest.conftest import LIMIT

PATH = "/api/v1/json/"
NUMBER = "256700000001"
WHO = ("owner", "direct", "sibling", "supervisor", "admin", "dormant")
KEYS = {who: f"ibk_{number:08x}_{who:x<43}" for number, who in enumerate(WHO)}


class Keys:
    """Knows the users of the app by their API keys."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def actor_for(self, credential: str) -> Actor | None:
        who = {key: who for who, key in KEYS.items()}.get(credential)
        if who == "dormant":
            tenant = self._app.sibling.actor
            return Actor(**{**_fields(tenant), "client_status": "DORMANT"})
        return None if who is None else self._app.actor(who)


def _fields(actor: Actor) -> dict[str, Any]:
    return {name: getattr(actor, name) for name in actor.__slots__}


@pytest.fixture
async def ego(app: App) -> AsyncIterator[httpx.AsyncClient]:
    routes = EgoSms(app.installation, Keys(app)).routes()
    limits = dict.fromkeys(egosms.PATHS, egosms.LIMIT)
    async with running_server(routes=routes, body=LIMIT, body_by_path=limits) as made:
        yield made.http


def request(method: str = "SendSms", *, who: str = "owner", **given: Any) -> dict[str, Any]:
    user = {"username": "acme", "password": KEYS.get(who, who)}
    return {"method": method, "userdata": user, "walletType": "Local", **given}


def send(*numbers: str, who: str = "owner", text: str = "Hello", **given: Any) -> dict[str, Any]:
    items = [{"number": each, "message": text, "senderid": "EgoSMS"} for each in numbers]
    return request(who=who, msgdata=[{**each, "priority": "1"} for each in items], **given)


async def answer_to(ego: httpx.AsyncClient, body: Any, path: str = PATH) -> dict[str, Any]:
    """An answer. Its status is always 200, and it has no key that the SDK does not know."""
    answer = await ego.post(path, json=body)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    known = {"Status", "Message", "Cost", "MsgFollowUpUniqueCode", "Balance"}
    assert {"Status", "Message"} <= found.keys() <= known
    return found


async def test_each_request_becomes_one_send(ego: httpx.AsyncClient, app: App) -> None:
    one = await answer_to(ego, send(NUMBER))
    assert one["MsgFollowUpUniqueCode"].startswith("snd_")
    assert (one["Status"], one["Message"], one["Cost"]) == ("OK", "Success", 1)
    many = await answer_to(ego, send(NUMBER, "256700000002", "2025550101"), path=PATH.rstrip("/"))
    assert many["Cost"] == 3
    texts = send(NUMBER, "256700000002")
    texts["msgdata"][1]["message"] = "Another"
    assert (await answer_to(ego, texts))["Cost"] == 2
    sends = await db.fetch("SELECT kind, accepted FROM send ORDER BY id")
    assert [tuple(each.values()) for each in sends] == [("SINGLE", 1), ("BULK", 3), ("MULTI", 2)]
    numbers = await db.fetch("SELECT number FROM message ORDER BY id")
    assert [each["number"] for each in numbers[1:4]] == [
        f"+{NUMBER}",
        "+256700000002",
        "+12025550101",
    ]
    assert await db.held(app.owner.account_id) == 94
    assert await answer_to(ego, request("Balance")) == {
        "Status": "OK",
        "Message": "Success",
        "Balance": 94,
    }


async def test_a_balance_needs_no_messages_and_no_wallet(ego: httpx.AsyncClient) -> None:
    nothing: list[dict[str, Any]] = [{"msgdata": None}, {"msgdata": []}, {}]
    for given in nothing:
        requested = {**request("Balance"), **given}
        assert (await answer_to(ego, {**requested, "walletType": "International"}))[
            "Balance"
        ] == 100
        del requested["walletType"]
        assert (await answer_to(ego, requested))["Balance"] == 100
    assert (await answer_to(ego, request("Balance", who="admin")))["Status"] == "OK"


async def test_numbers_that_are_not_accepted_are_named_and_not_charged(
    ego: httpx.AsyncClient, app: App
) -> None:
    some = await answer_to(ego, send(NUMBER, "12", NUMBER, "٢٥٦"))
    assert (some["Status"], some["Cost"]) == ("OK", 1)
    assert some["Message"].startswith("1 of 4 messages were accepted. 12: ")
    none = await answer_to(ego, send("12"))
    assert none["Status"] == "Failed"
    assert none["Message"].startswith("No message was accepted. 12: ")
    assert await db.held(app.owner.account_id) == 99


async def test_a_repeated_request_is_a_new_send_unless_it_has_a_key(
    ego: httpx.AsyncClient, app: App
) -> None:
    first = await answer_to(ego, send(NUMBER))
    assert (await answer_to(ego, send(NUMBER)))["MsgFollowUpUniqueCode"] != first
    ego.headers["idempotency-key"] = "order-17"
    kept = await answer_to(ego, send(NUMBER))
    assert await answer_to(ego, send(NUMBER)) == kept
    assert (await answer_to(ego, send(NUMBER, text="Other")))["Status"] == "Failed"
    assert await db.held(app.owner.account_id) == 97


REFUSED: list[tuple[Any, str]] = [
    (request("Balance", who="wrong"), "Invalid credentials"),
    (request("Balance", who="ibk_0000ffff_" + "x" * 43), "Invalid credentials"),
    (send(*(f"2567000000{each:02}" for each in range(21)), who="sibling"), "Insufficient bal"),
    (send(NUMBER, who="dormant"), "That user does not exist or user not active. The account"),
    (send(NUMBER, who="admin"), "Your user has no account to send from. Use a user of a client."),
    (send(NUMBER, who="supervisor"), "Your user has no account to send from. Use a user of a"),
    (send(NUMBER, text=""), "The text is empty"),
    (send(NUMBER, text="nul\0"), "Character 4 of the text"),
    (send(), "Give 1 to 1,000 messages in msgdata."),
    (request(), "Give 1 to 1,000 messages in msgdata."),
    (send(*[NUMBER] * 1_001), "msgdata must have at most 1,000 items."),
    (request("sendsms"), "method must be 'SendSms' or 'Balance'."),
    (request("Balance", walletType=None), "walletType must be 'Local' or 'International'."),
    (request("Balance", walletType="Other"), "walletType must be 'Local' or 'International'."),
    (request("Balance", userdata=None), "userdata must be an object."),
    (request("Balance", userdata={"username": "x"}), "userdata.password is required."),
    (
        request("Balance", userdata={"username": "", "password": "x"}),
        "userdata.username must",
    ),
    (request("Balance", userdata={"username": "x", "password": 7}), "userdata.password must"),
    (request(msgdata={"number": NUMBER}), "msgdata must be an array."),
    (request(msgdata=[7]), "msgdata[0] must be an object."),
    (request(msgdata=[{"number": 256700000001, "message": "Hi"}]), "msgdata[0].number must"),
    (request(msgdata=[{"number": NUMBER}]), "msgdata[0].message is required."),
    (request(msgdata=[{"number": "1", "message": "Hi", "priority": 1}]), "msgdata[0].priority"),
    (
        request(msgdata=[{"number": "1", "message": "Hi", "senderid": "x" * 12}]),
        "msgdata[0].senderid must have at most 11 characters.",
    ),
    ([], "The request must be an object."),
    ("x", "The request must be an object."),
]


async def test_refusals_are_failures_in_words(ego: httpx.AsyncClient) -> None:
    for body, words in REFUSED:
        answer = await answer_to(ego, body)
        assert (answer["Status"], len(answer)) == ("Failed", 2), body
        assert answer["Message"].startswith(words), answer
    assert await db.fetch("SELECT 1 FROM message") == []


async def test_what_cannot_be_read_is_a_failure_too(
    ego: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    secret = KEYS["owner"]
    twice = json.dumps(send(NUMBER)).replace('"number"', f'"number": "1", "{secret}": 1, "number"')
    cases: list[tuple[str, str, bytes, int]] = [
        ("POST", PATH, b"{", 200),
        ("POST", PATH, b"", 200),
        ("POST", PATH, f"method=Balance&password={secret}".encode(), 200),
        ("POST", PATH, f'{{"password": "{secret}'.encode(), 200),
        ("POST", PATH, b'{"method":"\\ud800"}', 200),
        ("POST", PATH, f'{{"method":"Balance","method":"{secret}"}}'.encode(), 200),
        ("POST", PATH, twice.encode(), 200),
        ("POST", PATH, b"[" * 300_000, 413),
        ("POST", PATH, b" " * (egosms.LIMIT.size + 1), 413),
        ("POST", f"{PATH}?password=x", b"{}", 400),
        ("GET", PATH, b"", 405),
        ("PUT", PATH.rstrip("/"), b"{}", 405),
        ("OPTIONS", PATH, b"", 405),
    ]
    for method, path, body, status in cases:
        answer = await ego.request(method, path, content=body)
        assert (answer.status_code, answer.json().keys()) == (status, {"Status", "Message"})
        assert answer.json()["Status"] == "Failed"
        assert answer.headers.get("allow") == ("POST" if status == 405 else None)
        assert secret not in answer.text
    assert (await ego.head(PATH)).status_code == 405
    packed = await ego.post(PATH, content=b"x", headers={"content-encoding": "gzip"})
    assert (packed.status_code, packed.json()["Status"]) == (415, "Failed")
    assert secret not in caplog.text


async def test_old_clients_need_not_say_that_they_send_json(ego: httpx.AsyncClient) -> None:
    form = {"content-type": "application/x-www-form-urlencoded"}
    body = httpx.Request("POST", "/", json=request("Balance")).content
    assert (await ego.post(PATH, content=body, headers=form)).json()["Balance"] == 100


async def test_statuses_tell_programs_whether_a_request_can_be_repeated(
    ego: httpx.AsyncClient, app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Our own adapter reads them: see `providers.egosms`."""
    send_id = new_id()

    async def outcome_of(body: Any, *, raising: Exception | None = None) -> Any:
        with monkeypatch.context() as patched:
            if raising is not None:

                async def fail(*_arguments: object, **_named: object) -> Any:
                    raise raising

                patched.setattr("domain.sending.send.accept_request", fail)
            answer = await ego.post(PATH, json=body)
        return _json_outcome(Answer(answer.status_code, answer.headers, answer.content)), answer

    assert isinstance((await outcome_of(send(NUMBER)))[0], Accepted)
    assert isinstance((await outcome_of(send("12")))[0], Rejected)
    app.rate_limiter.requests_left = 0
    limited, answer = await outcome_of(send(NUMBER))
    assert (answer.status_code, limited.retry_after_seconds) == (429, 7)
    app.rate_limiter.requests_left = None
    for body in (
        send(NUMBER, who="wrong"),
        send(NUMBER, who="dormant"),
        send(*(f"2567000000{each:02}" for each in range(21)), who="sibling"),
    ):
        refused, _ = await outcome_of(body)
        assert isinstance(refused, NotSent)
        assert refused.refuses_account
    busy, answer = await outcome_of(send(NUMBER), raising=TryAgain())
    assert isinstance(busy, NotSent)
    assert answer.headers["retry-after"] == "1"
    unknown, answer = await outcome_of(send(NUMBER), raising=OutcomeUnknown(send_id=send_id))
    assert isinstance(unknown, Unknown)
    assert answer.json()["MsgFollowUpUniqueCode"] == ids.encode(Kind.SEND, send_id)
    broken, answer = await outcome_of(send(NUMBER), raising=ZeroDivisionError())
    assert isinstance(broken, Unknown)
    assert answer.json() == {"Status": "Failed", "Message": answer.json()["Message"]}
