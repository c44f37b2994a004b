"""The simulator over real HTTP with the real adapter: formats, magic numbers, faults, its log."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator

import pytest

from domain.errors import ProviderUnavailable
from domain.outcomes import Accepted, NotSent, Outcome, Rejected, Unknown
from domain.provider import Outgoing
from providers.simulator.behaviours import BEHAVIOURS, MAGIC_NUMBERS, table_of_numbers
from providers.simulator.server import DEFAULT_API_KEY, running
from tests.providers.simulated import Simulated, account_at, simulated

KEY = {"Authorization": f"Bearer {DEFAULT_API_KEY}"}
ID = re.compile(r"[0-9a-f]{24}")
PLAIN = ["+12025550100", "+12025550101", "+12025550102"]


@pytest.fixture
async def it() -> AsyncIterator[Simulated]:
    async with simulated() as it:
        yield it


def one(number: str = PLAIN[0], text: str = "Hello") -> Outgoing:
    return Outgoing(number, text)


def many(numbers: list[str] = PLAIN, *, texts: bool = False) -> list[Outgoing]:
    return [Outgoing(number, f"Hello {number}" if texts else "Hello") for number in numbers]


def refers(outcome: Outcome) -> str:
    assert isinstance(outcome, Accepted)
    assert outcome.reference is not None
    assert ID.fullmatch(outcome.reference)
    return outcome.reference


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
async def test_a_call_for_many_names_each_message_by_an_id_of_its_own(
    it: Simulated, texts: bool
) -> None:
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
    ("kind", "expected", "took"),
    [
        ("accept", Accepted, True),
        ("invalid_recipient", Rejected, False),
        ("invalid_params", Rejected, False),
        ("no_credits", NotSent, False),
        ("bad_key", NotSent, False),
        ("forbidden", NotSent, False),
        ("rate_limited", NotSent, False),
        ("unavailable", NotSent, False),
        ("unavailable_html", Unknown, False),
        ("broken", Unknown, False),
        ("not_found", Unknown, False),
        ("hang_before", Unknown, False),
        ("hang_after", Unknown, True),
        ("reset_before", Unknown, False),
        ("reset_after", Unknown, True),
        ("cut", Unknown, True),
        ("slow", Accepted, True),
        ("html", Unknown, True),
        ("empty", Unknown, True),
        ("wrong_types", Unknown, True),
        ("no_reference", Accepted, True),
    ],
)
async def test_a_fault_does_to_the_next_call_what_it_says(
    it: Simulated, kind: str, expected: type[Outcome], took: bool
) -> None:
    assert kind in BEHAVIOURS
    seconds = {"seconds": 0.1} if kind == "slow" else {}
    await it.control("fault", kind=kind, **seconds)
    if BEHAVIOURS[kind].line == "hangs":
        async with it.impatient() as provider:
            assert isinstance(await provider.send(one()), expected)
    else:
        assert isinstance(await it.provider.send(one()), expected)
    assert await it.took() == PLAIN[:1] * took
    assert await it.balance() == 1000 - took
    refers(await it.provider.send(one()))


def test_each_behaviour_has_been_tried() -> None:
    (tried,) = [
        mark.args[1]
        for mark in test_a_fault_does_to_the_next_call_what_it_says.pytestmark  # type: ignore[attr-defined]
    ]
    assert {kind for kind, _, _ in tried} == set(BEHAVIOURS)


@pytest.mark.parametrize("number", MAGIC_NUMBERS)
async def test_a_magic_number_asks_for_its_behaviour(number: str, it: Simulated) -> None:
    behaviour = BEHAVIOURS[MAGIC_NUMBERS[number].kind]
    if behaviour.line == "hangs":
        async with it.impatient() as provider:
            await provider.send(one(number))
    else:
        await it.provider.send(one(number))
    (request,) = await it.log()
    assert request["behaviour"] == behaviour.kind
    assert request["messages"][0]["took"] == behaviour.takes


@pytest.mark.parametrize(
    "number", [number for number, magic in MAGIC_NUMBERS.items() if magic.refusals]
)
async def test_a_number_that_refuses_for_a_while_lets_the_message_through_then(
    it: Simulated, number: str
) -> None:
    refusals = MAGIC_NUMBERS[number].refusals or 0
    for _ in range(2):
        for _ in range(refusals):
            assert isinstance(await it.provider.send(one(number)), NotSent)
        refers(await it.provider.send(one(number)))
    assert await it.took() == [number] * 2


async def test_a_pause_is_asked_for_in_seconds(it: Simulated) -> None:
    await it.control("fault", kind="rate_limited", seconds=7)
    outcome = await it.provider.send(one())
    assert outcome == NotSent("The network asked to wait.", retry_after_seconds=7.0)


async def test_a_number_that_is_refused_fails_a_call_with_one_text_as_a_whole(
    it: Simulated,
) -> None:
    outcomes = await it.provider.send_many(many([*PLAIN, "+12025550160"]))
    assert outcomes == [NotSent("A call for many was refused as a whole.", alone=True)] * 4
    assert await it.took() == []


async def test_a_number_that_is_refused_fails_by_itself_among_many_texts(it: Simulated) -> None:
    *others, last = await it.provider.send_many(many([*PLAIN, "+12025550160"], texts=True))
    assert len({refers(outcome) for outcome in others}) == 3
    assert isinstance(last, Rejected)
    assert await it.took() == PLAIN
    assert await it.balance() == 997


@pytest.mark.parametrize("texts", [False, True])
async def test_a_call_that_the_balance_cannot_pay_for_takes_nothing(
    it: Simulated, texts: bool
) -> None:
    await it.control("balance", balance=2)
    outcomes = await it.provider.send_many(many(texts=texts))
    assert outcomes == [NotSent("The account has no credits left.", refuses_account=True)] * 3
    assert await it.took() == []
    assert await it.balance() == 2


async def test_racers_take_exactly_what_the_balance_pays_for(it: Simulated) -> None:
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


async def test_faults_fall_on_the_calls_they_were_asked_for(it: Simulated) -> None:
    await it.control("fault", kind="broken", times=2, skip=1, path="/api/v2/sms/sendbulk")
    singles = [await it.provider.send(one()) for _ in range(2)]
    calls = [(await it.provider.send_many(many()))[0] for _ in range(4)]
    assert all(isinstance(outcome, Accepted) for outcome in singles)
    assert [type(outcome) for outcome in calls] == [Accepted, Unknown, Unknown, Accepted]


async def test_a_fault_without_times_stays_until_a_reset(it: Simulated) -> None:
    await it.control("fault", kind="broken", times=None)
    assert {type(await it.provider.send(one())) for _ in range(3)} == {Unknown}
    assert (await it.control("reset"))["pending"] == []
    refers(await it.provider.send(one()))


async def test_a_fault_that_takes_takes_only_what_could_be_taken(it: Simulated) -> None:
    await it.control("balance", balance=0)
    await it.control("fault", kind="reset_after")
    assert isinstance(await it.provider.send(one()), NotSent)
    assert await it.balance() == 0


async def test_a_fault_falls_on_the_balance_too(it: Simulated) -> None:
    await it.control("fault", kind="html", path="/api/v2/account")
    with pytest.raises(ProviderUnavailable):
        await it.provider.balance()
    assert (await it.provider.balance()).raw == "1000"


async def test_a_reset_lets_hanging_calls_go() -> None:
    async with simulated() as it:
        await it.control("fault", kind="hang_after")
        call = asyncio.ensure_future(it.provider.send(one()))
        await it.has_seen(1)
        await it.control("reset")
        assert isinstance(await asyncio.wait_for(call, 5), Unknown)


async def test_a_call_that_hangs_ends_when_its_caller_hangs_up(it: Simulated) -> None:
    await it.control("fault", kind="hang_before", seconds=600)
    async with it.impatient() as provider:
        await provider.send(one())
    async with asyncio.timeout(20):
        while (await it.control("balance"))["open"]:
            pass


async def test_a_simulator_with_hanging_calls_stops_at_once() -> None:
    simulator = running()
    async with account_at(await simulator.__aenter__()) as it:
        await it.control("fault", kind="hang_after", seconds=600)
        call = asyncio.ensure_future(it.provider.send(one()))
        await it.has_seen(1)
        await asyncio.wait_for(simulator.__aexit__(None, None, None), 5)
        assert isinstance(await call, Unknown)


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"kind": "nothing"},
        {"kind": ["broken"]},
        {"kind": "broken", "times": 0},
        {"kind": "broken", "times": True},
        {"kind": "broken", "times": 1.5},
        {"kind": "broken", "skip": -1},
        {"kind": "broken", "seconds": "1"},
        {"kind": "broken", "seconds": 601},
        {"kind": "broken", "path": 1},
        {"kind": "broken", "colour": "red"},
        [],
        None,
    ],
)
async def test_a_fault_that_makes_no_sense_is_refused_in_a_sentence(
    it: Simulated, asked: object
) -> None:
    async with it.session.post(f"{it.base_url}/control/fault", json=asked) as response:
        assert response.status == 400
        assert (await response.json())["error"]
    assert (await it.control("fault"))["pending"] == []


@pytest.mark.parametrize(
    "asked", [{}, {"balance": "5"}, {"balance": True}, {"add": 1.5}, {"add": 10**13}]
)
async def test_a_balance_that_makes_no_sense_is_refused(
    it: Simulated, asked: dict[str, object]
) -> None:
    async with it.session.post(f"{it.base_url}/control/balance", json=asked) as response:
        assert response.status == 400
    assert await it.balance() == 1000


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
async def test_a_body_that_is_no_json_is_refused_and_logged(it: Simulated, body: bytes) -> None:
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


async def test_the_status_of_a_message_that_was_taken_can_be_asked_for(it: Simulated) -> None:
    reference = refers(await it.provider.send(one()))
    url = f"{it.base_url}/api/v2/sms/status/"
    async with it.session.get(url + reference, headers=KEY) as response:
        said = await response.json()
    assert (said["success"], said["messageId"], said["status"]) == (True, reference, "delivered")
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


def test_the_table_of_numbers_has_a_line_for_each() -> None:
    assert len(table_of_numbers().splitlines()) == 2 + len(MAGIC_NUMBERS)
    assert (
        "| +1 202 555 0162 | refused: the account has no credits left; the next"
        in table_of_numbers()
    )
