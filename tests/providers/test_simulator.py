"""The simulator over real HTTP with the real adapter: its formats, its balance, its log."""

from __future__ import annotations

import asyncio

import pytest

from domain.errors import ProviderUnavailable
from domain.provider import Accepted, NotSent, OutgoingMessage
from providers.simulator.server import DEFAULT_API_KEY
from tests.providers.simulated import PLAIN, Simulated, account_at, many, one, refers

KEY = {"Authorization": f"Bearer {DEFAULT_API_KEY}"}


async def test_a_message_is_taken_paid_and_logged_with_its_id(simulator: Simulated) -> None:
    reference = refers(await simulator.provider.send(OutgoingMessage(PLAIN[0], "Hello", "7", "3")))
    (request,) = await simulator.log()
    assert request["messages"] == [
        {"recipient": PLAIN[0], "text": "Hello", "took": True, "id": reference}
    ]
    assert (request["modem"], request["port"], request["seq"]) == ("7", "3", 1)
    assert (request["path"], request["status"]) == ("/api/v2/sms/sendsingle", 200)
    assert await simulator.balance() == 999


@pytest.mark.parametrize("texts", [False, True])
async def test_a_call_for_many_names_each_message_by_its_own_id(
    simulator: Simulated, texts: bool
) -> None:
    outcomes = await simulator.provider.send_many(many(texts=texts))
    (request,) = await simulator.log()
    assert [refers(outcome) for outcome in outcomes] == [
        message["id"] for message in request["messages"]
    ]
    assert [message["text"] for message in request["messages"]] == [
        message.text for message in many(texts=texts)
    ]
    assert await simulator.took() == PLAIN
    assert await simulator.balance() == 997


async def test_the_balance_is_what_the_log_adds_up_to(simulator: Simulated) -> None:
    await simulator.provider.send_many(many())
    await simulator.control("balance", add=50)
    await simulator.control("balance", balance=500)
    await simulator.provider.send(one())
    reading = await simulator.provider.balance()
    assert reading.value == 499
    assert await simulator.control("balance") == {
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
    simulator: Simulated, path: str, body: object, code: str
) -> None:
    async with simulator.session.post(
        f"{simulator.base_url}/api/v2/sms/{path}", json=body, headers=KEY
    ) as response:
        assert response.status == 400
        assert (await response.json())["code"] == code
    assert await simulator.took() == []


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 100_000, b'"\\ud800"'])
async def test_a_body_that_is_not_json_is_refused_and_logged(
    simulator: Simulated, body: bytes
) -> None:
    url = f"{simulator.base_url}/api/v2/sms/sendsingle"
    async with simulator.session.post(url, data=body, headers=KEY) as response:
        assert response.status == 400
    (request,) = await simulator.log()
    assert (request["status"], request["messages"]) == (400, [])


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/"), ("GET", "/api/v2/sms/sendsingle"), ("POST", "/sendsingle"), ("PUT", "/control")],
)
async def test_a_wrong_path_is_answered_with_html_and_logged(
    simulator: Simulated, method: str, path: str
) -> None:
    async with simulator.session.request(
        method, simulator.base_url + path, headers=KEY
    ) as response:
        assert response.status == 404
        assert response.content_type == "text/html"
    (request,) = await simulator.log()
    assert (request["method"], request["path"]) == (method, path)


async def test_the_status_of_an_accepted_message_can_be_queried(simulator: Simulated) -> None:
    reference = refers(await simulator.provider.send(one()))
    url = f"{simulator.base_url}/api/v2/sms/status/"
    async with simulator.session.get(url + reference, headers=KEY) as response:
        found = await response.json()
    assert (found["success"], found["messageId"], found["status"]) == (True, reference, "delivered")
    async with simulator.session.get(url + "0" * 24, headers=KEY) as response:
        assert response.status == 404
        assert (await response.json())["success"] is False


async def test_the_log_can_be_read_on_from_a_request(simulator: Simulated) -> None:
    for number in PLAIN:
        await simulator.provider.send(one(number))
    async with simulator.session.get(f"{simulator.base_url}/control/log?after=1") as response:
        assert [request["seq"] for request in await response.json()] == [2, 3]
    async with simulator.session.get(f"{simulator.base_url}/control/log?after=x") as response:
        assert response.status == 400


@pytest.mark.parametrize("texts", [False, True])
async def test_a_call_that_the_balance_cannot_pay_for_takes_nothing(
    simulator: Simulated, texts: bool
) -> None:
    await simulator.control("balance", balance=2)
    outcomes = await simulator.provider.send_many(many(texts=texts))
    assert outcomes == [NotSent("The account has no credits left.", refuses_account=True)] * 3
    assert await simulator.took() == []
    assert await simulator.balance() == 2


async def test_concurrent_calls_use_exactly_the_balance(simulator: Simulated) -> None:
    await simulator.control("balance", balance=50)
    outcomes = await asyncio.gather(*(simulator.provider.send(one()) for _ in range(120)))
    taken = [refers(outcome) for outcome in outcomes if isinstance(outcome, Accepted)]
    assert len(taken) == len(set(taken)) == len(await simulator.took()) == 50
    assert await simulator.balance() == 0


async def test_a_wrong_key_is_refused_and_takes_nothing(simulator: Simulated) -> None:
    async with account_at(simulator.base_url, api_key="wrong") as stranger:
        outcome = await stranger.provider.send(one())
        assert outcome == NotSent("The account's key was refused.", refuses_account=True)
        with pytest.raises(ProviderUnavailable):
            await stranger.provider.balance()
    assert await simulator.took() == []
