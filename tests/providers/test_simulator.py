"""The simulator over real HTTP with the real adapter: its formats, its balance, its log."""

from __future__ import annotations

import asyncio

import pytest

from domain.errors import ProviderUnavailable
from domain.provider import Accepted, NotSent, Outgoing
from providers.simulator.server import DEFAULT_API_KEY
from tests.providers.simulated import PLAIN, Simulated, account_at, many, one, refers

KEY = {"Authorization": f"Bearer {DEFAULT_API_KEY}"}


async def test_a_message_is_taken_paid_and_logged_with_its_id(it: Simulated) -> None:
    reference = refers(await it.provider.send(Outgoing(PLAIN[0], "Hello", "7", "3")))
    (request,) = await it.log()
    assert request["messages"] == [
        {"recipient": PLAIN[0], "text": "Hello", "took": True, "id": reference}
    ]
    assert (request["modem"], request["port"], request["seq"]) == ("7", "3", 1)
    assert (request["path"], request["status"]) == ("/api/v2/sms/sendsingle", 200)
    assert await it.balance() == 999


@pytest.mark.parametrize("texts", [False, True])
async def test_a_call_for_many_names_each_message_by_its_own_id(it: Simulated, texts: bool) -> None:
    outcomes = await it.provider.send_many(many(texts=texts))
    (request,) = await it.log()
    assert [refers(outcome) for outcome in outcomes] == [
        message["id"] for message in request["messages"]
    ]
    assert [message["text"] for message in request["messages"]] == [
        message.text for message in many(texts=texts)
    ]
    assert await it.took() == PLAIN
    assert await it.balance() == 997


async def test_the_balance_is_what_the_log_adds_up_to(it: Simulated) -> None:
    await it.provider.send_many(many())
    await it.control("balance", add=50)
    await it.control("balance", balance=500)
    await it.provider.send(one())
    reading = await it.provider.balance()
    assert reading.value == 499
    assert await it.control("balance") == {
        "balance": 499, "opening": 1000, "added": -497, "taken": 4, "requests": 3, "open": 0,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("path", "body", "code"),
    [
        ("sendsingle", {"recipient": PLAIN[0]}, "INVALID_PARAMS"),
        ("sendsingle", {"recipient": PLAIN[0], "message": ""}, "INVALID_PARAMS"),
        ("sendsingle", {"recipient": PLAIN[0], "message": 1}, "INVALID_PARAMS"),
        ("sendsingle", {"recipient": "2025550100", "message": "x"}, "INVALID_RECIPIENT"),
        ("sendsingle", {"recipient": None, "message": "x"}, "INVALID_RECIPIENT"),
        ("sendsingle", [], "INVALID_PARAMS"),
        ("sendbulk", {"recipients": [], "content": "x"}, "INVALID_PARAMS"),
        ("sendbulk", {"recipients": PLAIN[0], "content": "x"}, "INVALID_PARAMS"),
        ("sendbulk", {"recipients": [PLAIN[0], "1"], "content": "x"}, "INVALID_RECIPIENT"),
        ("sendbulkmulti", [], "INVALID_PARAMS"),
        ("sendbulkmulti", [1], "INVALID_PARAMS"),
        ("sendbulkmulti", [{"recipient": PLAIN[0], "message": "x"}], "INVALID_PARAMS"),
    ],
)
async def test_a_body_that_is_not_right_is_refused_as_the_provider_would(
    it: Simulated, path: str, body: object, code: str
) -> None:
    async with it.session.post(
        f"{it.base_url}/api/v2/sms/{path}", json=body, headers=KEY
    ) as response:
        assert response.status == 400
        assert (await response.json())["code"] == code
    assert await it.took() == []


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 100_000, b'"\\ud800"'])
async def test_a_body_that_is_not_json_is_refused_and_logged(it: Simulated, body: bytes) -> None:
    url = f"{it.base_url}/api/v2/sms/sendsingle"
    async with it.session.post(url, data=body, headers=KEY) as response:
        assert response.status == 400
    (request,) = await it.log()
    assert (request["status"], request["messages"]) == (400, [])


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/"), ("GET", "/api/v2/sms/sendsingle"), ("POST", "/sendsingle"), ("PUT", "/control")],
)
async def test_a_wrong_path_is_answered_with_html_and_logged(
    it: Simulated, method: str, path: str
) -> None:
    async with it.session.request(method, it.base_url + path, headers=KEY) as response:
        assert response.status == 404
        assert response.content_type == "text/html"
    (request,) = await it.log()
    assert (request["method"], request["path"]) == (method, path)


async def test_the_status_of_an_accepted_message_can_be_queried(it: Simulated) -> None:
    reference = refers(await it.provider.send(one()))
    url = f"{it.base_url}/api/v2/sms/status/"
    async with it.session.get(url + reference, headers=KEY) as response:
        found = await response.json()
    assert (found["success"], found["messageId"], found["status"]) == (True, reference, "delivered")
    async with it.session.get(url + "0" * 24, headers=KEY) as response:
        assert response.status == 404
        assert (await response.json())["success"] is False


async def test_the_log_can_be_read_on_from_a_request(it: Simulated) -> None:
    for number in PLAIN:
        await it.provider.send(one(number))
    async with it.session.get(f"{it.base_url}/control/log?after=1") as response:
        assert [request["seq"] for request in await response.json()] == [2, 3]
    async with it.session.get(f"{it.base_url}/control/log?after=x") as response:
        assert response.status == 400


@pytest.mark.parametrize("texts", [False, True])
async def test_a_call_that_the_balance_cannot_pay_for_takes_nothing(
    it: Simulated, texts: bool
) -> None:
    await it.control("balance", balance=2)
    outcomes = await it.provider.send_many(many(texts=texts))
    assert outcomes == [NotSent("The account has no credits left.", refuses_account=True)] * 3
    assert await it.took() == []
    assert await it.balance() == 2


async def test_concurrent_calls_use_exactly_the_balance(it: Simulated) -> None:
    await it.control("balance", balance=50)
    outcomes = await asyncio.gather(*(it.provider.send(one()) for _ in range(120)))
    taken = [refers(outcome) for outcome in outcomes if isinstance(outcome, Accepted)]
    assert len(taken) == len(set(taken)) == len(await it.took()) == 50
    assert await it.balance() == 0


async def test_a_wrong_key_is_refused_and_takes_nothing(it: Simulated) -> None:
    async with account_at(it.base_url, api_key="wrong") as stranger:
        outcome = await stranger.provider.send(one())
        assert outcome == NotSent("The account's key was refused.", refuses_account=True)
        with pytest.raises(ProviderUnavailable):
            await stranger.provider.balance()
    assert await it.took() == []
